// Package journal stands between the log and its reader: it takes lines from whoever has
// something to say and writes them out from a goroutine of its own. A loop that logs never
// waits for a pipe.
//
// It never holds up a writer: what does not fit into its queue is lost, counted, and told of
// in one line once the reader reads again. It knows nothing of what the lines mean.
//
// Invariant: no lock is held while anything is written to the reader.
package journal
