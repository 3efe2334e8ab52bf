package config

// Report takes the faults that a Check finds. It is for one goroutine.
type Report struct{ *report }

// Check looks for the faults of a configuration that config itself cannot
// judge, in the files that it names above all. It is called while a file is
// loaded, also one with other faults: what those concern is then not to be
// relied on in the Config.
type Check func(*Config, *Report)

// NewReport is an empty Report on a Config that comes from no file.
func NewReport() *Report { return &Report{newReport("configuration", nil)} }

// Key notes what is wrong with the meaning of a key of the configuration
// itself, written as faults show it: "auth.rule[2].method". It is silent where
// the key could not be read, which is a fault already.
func (r *Report) Key(key, format string, args ...any) { r.fault(key, format, args...) }

// Unread says whether a key, or a table around it, could not be read.
func (r *Report) Unread(key string) bool { return r.unread(key) }

// File notes what is wrong on a line, from 1, of another file. Such faults
// come after those of the configuration itself, in the order of their noting.
func (r *Report) File(file string, line int, format string, args ...any) {
	r.addIn(file, line, format, args...)
}

// Files are the files that were read so far, that of the configuration first; those too
// that could not be.
func (r *Report) Files() []File { return r.files }

// Err is nil or all faults so far, of type Faults.
func (r *Report) Err() error { return r.err() }
