// Package packaging holds the tools that package Portero, and the test of its Containerfile. It
// is a module of its own, so that nothing of them is in the product's go.mod.
package packaging
