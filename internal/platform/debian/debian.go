// Package debian installs packages of the system's own distribution, where that
// is Debian's kind and we are root.
package debian

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// Packages installs packages. The zero value is for this machine.
type Packages struct {
	Lists    string       // apt's package lists; default /var/lib/apt/lists
	Progress func(string) // told what is done; may be nil
}

// Possible reports whether this process is in a position to install packages.
func (Packages) Possible() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && runtime.GOOS == "linux" && os.Geteuid() == 0
}

// Command returns the words of the command that installs packages.
func Command(packages ...string) []string {
	return append([]string{"apt-get", "install", "-y", "--no-install-recommends"}, packages...)
}

// Install installs packages, with new package lists where there are none or the
// old ones name packages that are gone.
func (p Packages) Install(ctx context.Context, packages ...string) error {
	if p.Lists == "" {
		p.Lists = "/var/lib/apt/lists"
	}
	updated := false
	if lists, _ := filepath.Glob(filepath.Join(p.Lists, "*_Packages*")); len(lists) == 0 {
		p.update(ctx)
		updated = true
	}
	err := p.install(ctx, packages)
	if err != nil && !updated && ctx.Err() == nil {
		p.update(ctx)
		err = p.install(ctx, packages)
	}
	return err
}

func (p Packages) say(format string, args ...any) {
	if p.Progress != nil {
		p.Progress(fmt.Sprintf(format, args...))
	}
}

func (p Packages) update(ctx context.Context) {
	p.say("refreshing the package lists (apt-get update)")
	_ = aptGet(ctx, "update") // the installation tells whether the lists suffice
}

func (p Packages) install(ctx context.Context, packages []string) error {
	command := Command(packages...)
	p.say("installing %s (%s)", strings.Join(packages, ", "), strings.Join(command, " "))
	return aptGet(ctx, append([]string{"-o", "Dpkg::Options::=--force-confold"}, command[1:]...)...)
}

func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		if last := lastLine(out.String()); last != "" {
			return fmt.Errorf("apt-get: %s (%w)", last, err)
		}
		return fmt.Errorf("apt-get: %w", err)
	}
	return nil
}

// lastLine returns the last line that says something.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}
