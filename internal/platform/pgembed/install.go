package pgembed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"gxcoin.money/gx/internal/platform/debian"
)

// debianPackage is Debian's package of PostgreSQL.
const debianPackage = "postgresql"

// advice is the sentence for those whom we can't install PostgreSQL for.
func advice() string {
	command := "install PostgreSQL with your system's packages"
	for _, way := range []struct{ program, command string }{
		{"apt-get", strings.Join(debian.Command(debianPackage), " ")},
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

// EnsureBinaries is FindBinaries, but where nothing is found and we may it
// installs Debian's package first.
func EnsureBinaries(ctx context.Context, progress func(string)) (dir string, err error) {
	dir, err = FindBinaries()
	if in := newInstaller(progress); errors.Is(err, ErrNoBinaries) && in.packages.Possible() {
		if err := in.run(ctx); err != nil {
			return "", err
		}
		return FindBinaries()
	}
	return dir, err
}

// installer installs Debian's package. Its path is a field for the tests.
type installer struct {
	clusterConf string // where postgresql-common asks whether to start a cluster
	packages    debian.Packages
}

func newInstaller(progress func(string)) installer {
	return installer{"/etc/postgresql-common/createcluster.conf", debian.Packages{Progress: progress}}
}

func (in installer) run(ctx context.Context) error {
	if err := in.keepSystemClusterAway(); err != nil {
		return fmt.Errorf("prepare the installation of PostgreSQL: %w", err)
	}
	if err := in.packages.Install(ctx, debianPackage); err != nil {
		return fmt.Errorf("PostgreSQL could not be installed: %w; %s", err, advice())
	}
	return nil
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
