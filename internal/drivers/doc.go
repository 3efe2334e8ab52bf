// Package drivers holds tests only: programs that are written for PostgreSQL, one for each
// driver and for PostgreSQL's own tools, print the same through Portero as directly. Each
// runs as several clients of different settings at once, over fewer servers. The programs are
// in testdata/drivers, those in Go are here.
//
// TRANSCRIPTS=directory go test keeps what one client of each has printed directly.
package drivers
