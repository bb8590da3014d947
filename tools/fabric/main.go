// Command fabric builds Hyperledger Fabric's programs, at the version that
// go.mod pins, into the user's cache, where gx and the tests look for them. When
// they can't be had it says SKIPPED, leaves the reason there and succeeds:
// nothing but Fabric's own tests depends on it.
//
//	go run . [-o DIR]
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	version = "v3.1.1" // of Fabric, as go.mod has it
	module  = "github.com/hyperledger/fabric"
)

var programs = []string{"peer", "orderer"}

func main() {
	out := flag.String("o", "", "directory for the programs (default: the user's cache, gx/fabric/"+version+")")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "fabric-tools:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	if out == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return err
		}
		out = filepath.Join(cache, "gx", "fabric", version)
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	for _, name := range programs {
		if _, err := os.Stat(filepath.Join(out, name)); err == nil {
			fmt.Printf("%s %s is built already: %s\n", name, version, filepath.Join(out, name))
			continue
		}
		began := time.Now()
		if err := build(name, filepath.Join(out, name)); err != nil {
			reason := fmt.Sprintf("%s %s: %v\n", name, version, err)
			fmt.Printf("\n*** SKIPPED: Fabric's programs could not be built; its tests will not run ***\n%s", reason)
			return os.WriteFile(filepath.Join(out, "skipped"), []byte(reason), 0o644)
		}
		if live() {
			fmt.Print("\r\033[K")
		}
		fmt.Printf("%s %s: built in %s\n", name, version, time.Since(began).Round(time.Second))
	}
	if err := os.Remove(filepath.Join(out, "skipped")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fmt.Println("Fabric's programs are in", out)
	return nil
}

// build builds a program at low priority and shows how far it is.
func build(name, to string) error {
	pkg := module + "/cmd/" + name
	fmt.Printf("%s %s: loading modules", name, version)
	if !live() {
		fmt.Println()
	}
	total, err := dependencies(pkg)
	if err != nil {
		return err
	}
	args := []string{"go", "build", "-v", "-trimpath", "-ldflags", "-s -w -X " + module + "/common/metadata.Version=" + version, "-o", to + ".new", pkg}
	if nice, err := exec.LookPath("nice"); err == nil {
		args = append([]string{nice}, args...)
	}
	cmd := command(args...)
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	failed := progress(name, log, total)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w\n%s", err, failed)
	}
	return os.Rename(to+".new", to)
}

// dependencies counts the packages that a build compiles at most.
func dependencies(pkg string) (int, error) {
	var problem strings.Builder
	cmd := command("go", "list", "-deps", pkg)
	cmd.Stderr = &problem
	list, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%w\n%s", err, problem.String())
	}
	return strings.Count(string(list), "\n"), nil
}

func command(args ...string) *exec.Cmd {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return cmd
}

// live reports whether somebody watches.
func live() bool {
	info, err := os.Stdout.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// progress shows the packages that go build -v names, in a log every tenth of the
// way, and returns what else it said.
func progress(name string, log io.Reader, total int) (said string) {
	lines := bufio.NewScanner(log)
	tenth := 0
	for n := 0; lines.Scan(); {
		line := lines.Text()
		if strings.ContainsAny(line, " #:") {
			said += line + "\n"
			continue
		}
		n++
		percent := min(100*n/total, 99)
		if live() {
			fmt.Printf("\r%s %s: %3d%% %-60.60s", name, version, percent, line)
		} else if percent/10 > tenth {
			tenth = percent / 10
			fmt.Printf("%s %s: %d%%\n", name, version, percent)
		}
	}
	return said
}
