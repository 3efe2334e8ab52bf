package drivers

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// runPython runs a program for one of Debian's Python modules, by Debian's Python: another
// one on the PATH has other modules.
func runPython(module string) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		cmd := c.command(ctx, "/usr/bin/python3", "-X", "faulthandler", filepath.Join(sources, module, "program.py"))
		cmd.Env = append(cmd.Env, "PYTHONPATH="+filepath.Join(sources, "python"), "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1")
		return cmd.Run()
	}
}

// compiled is where the class files are; a runtime of Debian compiles too.
var compiled = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(made, "java")
	out, err := exec.Command("java", "-m", "jdk.compiler/com.sun.tools.javac.Main", "-proc:none", "-Xlint:all", "-Werror",
		"-cp", jdbc, "-d", dir, filepath.Join(sources, "pgjdbc", "Program.java")).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("compile Program.java: %w\n%s", err, out)
	}
	return dir, nil
})

// jdbc is pgjdbc as Debian installs it.
const jdbc = "/usr/share/java/postgresql.jar"

func runJava(ctx context.Context, c *client) error {
	classes, err := compiled()
	if err != nil {
		return err
	}
	return c.command(ctx, "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Duser.timezone=UTC", "-Duser.language=en", "-Dfile.encoding=UTF-8",
		"-cp", classes+string(filepath.ListSeparator)+jdbc, "Program").Run()
}

// runNode runs a program for one of the drivers of testdata/drivers/node.
func runNode(file string) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		modules, err := modules()
		if err != nil {
			return err
		}
		cmd := c.command(ctx, "node", "--no-deprecation", filepath.Join(sources, "node", file))
		cmd.Env = append(cmd.Env, "NODE_PATH="+modules)
		return cmd.Run()
	}
}

// modules is a directory of the user's cache with the packages of testdata/drivers/node, in
// the versions of its lock file. The first that needs them installs them.
var modules = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	files := []string{"package.json", "package-lock.json"}
	hash := sha256.New()
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(sources, "node", name))
		if err != nil {
			return "", err
		}
		hash.Write(text)
	}
	dir := filepath.Join(cache, "portero", fmt.Sprintf("node-%x", hash.Sum(nil)[:8]))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	unlock, err := lock(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	complete := filepath.Join(dir, "complete")
	if _, err := os.Stat(complete); err == nil {
		return filepath.Join(dir, "node_modules"), nil
	}
	if err := install(dir, files); err != nil {
		return "", err
	}
	return filepath.Join(dir, "node_modules"), os.WriteFile(complete, nil, 0o644)
})

// install copies the files to dir and lets npm install what they say.
func install(dir string, files []string) error {
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(sources, "node", name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	cmd := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w\n%s", dir, err, out)
	}
	return nil
}

// lock keeps other processes out of a directory.
func lock(dir string) (unlock func(), err error) {
	file, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() { _ = file.Close() }, nil
}
