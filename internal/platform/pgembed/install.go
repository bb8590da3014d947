package pgembed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

var aptInstall = []string{"apt-get", "install", "-y", "--no-install-recommends", "postgresql"}

// advice is the sentence for those whom we can't install PostgreSQL for.
func advice() string {
	command := "install PostgreSQL with your system's packages"
	for _, way := range []struct{ program, command string }{
		{"apt-get", strings.Join(aptInstall, " ")},
		{"dnf", "dnf install -y postgresql-server"},
		{"zypper", "zypper install -y postgresql-server"},
		{"apk", "apk add postgresql"},
	} {
		if runtime.GOOS != "linux" {
			break
		}
		if _, err := exec.LookPath(way.program); err == nil {
			if os.Geteuid() != 0 {
				way.command = "sudo " + way.command
			}
			command = fmt.Sprintf("run %q", way.command)
			break
		}
	}
	if runtime.GOOS == "darwin" {
		command = `run "brew install postgresql@17"`
	}
	return command + ", or set GX_POSTGRES_BIN to the directory that holds postgres and initdb, or GX_DATABASE_URL to a server of yours"
}

// installer installs Debian's package. Its paths are fields for the tests.
type installer struct {
	clusterConf string // where postgresql-common asks whether to start a cluster
	lists       string // apt's package lists
	progress    func(string)
}

func newInstaller(progress func(string)) installer {
	return installer{
		clusterConf: "/etc/postgresql-common/createcluster.conf",
		lists:       "/var/lib/apt/lists",
		progress:    progress,
	}
}

// possible reports whether we are in a position to install packages.
func (installer) possible() bool {
	_, err := exec.LookPath("apt-get")
	return err == nil && runtime.GOOS == "linux" && os.Geteuid() == 0
}

func (in installer) run(ctx context.Context) error {
	if err := in.keepSystemClusterAway(); err != nil {
		return fmt.Errorf("prepare the installation of PostgreSQL: %w", err)
	}
	updated := false
	if lists, _ := filepath.Glob(filepath.Join(in.lists, "*_Packages*")); len(lists) == 0 {
		in.update(ctx)
		updated = true
	}
	err := in.install(ctx)
	if err != nil && !updated && ctx.Err() == nil {
		in.update(ctx) // old lists name packages that are no longer there
		err = in.install(ctx)
	}
	if err != nil {
		return fmt.Errorf("PostgreSQL could not be installed: %w; %s", err, advice())
	}
	return nil
}

func (in installer) update(ctx context.Context) {
	in.progress("refreshing the package lists (apt-get update)")
	_ = aptGet(ctx, "update") // the installation tells whether the lists suffice
}

func (in installer) install(ctx context.Context) error {
	in.progress("installing PostgreSQL (" + strings.Join(aptInstall, " ") + ")")
	return aptGet(ctx, append([]string{"-o", "Dpkg::Options::=--force-confold"}, aptInstall[1:]...)...)
}

// keepSystemClusterAway stops the package from starting a server of its own.
// An administrator's file is left as it is.
func (in installer) keepSystemClusterAway() error {
	if err := os.MkdirAll(filepath.Dir(in.clusterConf), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(in.clusterConf, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString("# Written by gx, which runs a private server and needs no system-wide one.\ncreate_main_cluster = false\n")
	return errors.Join(err, f.Close())
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
