// Package config reads proxy.toml and the environment into plain structs and finds every fault in them at once.
//
// It never dials, listens or changes a setting after Load has returned: the
// structs are read-only from then on and may be shared between goroutines.
// It stands before the data path: nothing of it runs once clients are served.
//
// A file passes through five steps, one per file of the package: keyLines
// (where each key stands), overlay (what the environment gives in its place),
// decoder (types and unknown keys), complete (what the file left out) and checker
// (what the values mean to each other).
//
// Invariants: Default() is what an empty file gives; proxy.toml.example says
// the same as Default(); each fault names its file, line and key, or the variable
// of the environment; each setting can be given there.
package config
