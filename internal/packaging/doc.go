// Package packaging holds tests of the Debian package: it is built by the project's own
// scripts, and installed, upgraded under load and removed on a machine that systemd runs.
package packaging
