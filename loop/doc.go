// Package loop runs event loops and, on them, coroutines that read like
// blocking code.
//
// A Loop is one goroutine over one epoll set. It wakes a Task (a coroutine
// made with iter.Pull) when one of the Task's sockets is ready, when its alarm
// is due, or when somebody calls Wake. A Task runs until it Parks or Yields;
// until then nothing else runs on that loop. So a Task with much to do bounds
// what it does in one Turn and then Yields.
//
// What several sockets of a turn are sent is collected and goes to the kernel together at its end,
// where the kernel lets us (io_uring). Write's error, and Pending, tell of it a turn later then.
//
// The package never dials, resolves, locks for long or waits for a channel on
// a loop. It knows nothing of PostgreSQL.
//
// Invariants:
//   - one owner: a Socket is read and written only on the loop it is attached
//     to, or by a goroutine that holds it while it is attached to none;
//   - a Task's Runner is called on its loop, and nowhere else;
//   - Scratch is valid only until the Task parks or yields;
//   - a panic in a Task ends that Task and nothing else; one in a Handler or a
//     posted function ends that call, and the turn goes on.
package loop
