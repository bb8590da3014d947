package pgembed

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// identity is the account that the server runs as, PostgreSQL refusing root.
type identity struct {
	name     string
	uid, gid int                         // owner of its files, as we see it
	attr     func() *syscall.SysProcAttr // for exec; new each time
}

// chooseIdentity returns ourselves when we are not root. Root first tries a
// user namespace, in which root's files are nobody's: it needs no account and
// reaches directories that only root can enter. Where namespaces are forbidden
// an account takes over.
func chooseIdentity(program string) (identity, error) {
	if uid := os.Geteuid(); uid != 0 {
		return identity{"", uid, os.Getegid(), func() *syscall.SysProcAttr { return new(syscall.SysProcAttr) }}, nil
	}
	if id, ok := namespaceIdentity(program); ok {
		return id, nil
	}
	return accountIdentity(program)
}

// accountIdentity returns the account that packages make for PostgreSQL.
func accountIdentity(string) (identity, error) {
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 != nil || err2 != nil || uid <= 0 {
			continue
		}
		return identity{name, uid, gid, func() *syscall.SysProcAttr {
			return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
		}}, nil
	}
	return identity{}, fmt.Errorf("PostgreSQL does not run as root, user namespaces are not permitted here, and there is no account postgres or nobody to run it as")
}

// command prepares a PostgreSQL program, shielded from PG* variables.
func (id identity) command(program string, args ...string) *exec.Cmd {
	cmd := exec.Command(program, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	cmd.Dir = "/"
	cmd.SysProcAttr = id.attr()
	cmd.SysProcAttr.Setpgid = true
	return cmd
}

// own hands dir and what is in it over to the account, which matters when the
// cluster was last run as another.
func (id identity) own(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == id.uid {
		return nil
	}
	// Bottom up: the directory itself changes last, so that a run that was
	// interrupted is repeated.
	var paths []string
	err = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		paths = append(paths, path)
		return err
	})
	if err != nil {
		return err
	}
	for i := len(paths) - 1; i >= 0; i-- {
		if err := os.Lchown(paths[i], id.uid, id.gid); err != nil {
			return err
		}
	}
	return nil
}

// admit lets the account pass through dir and, where they are temporary, through
// the directories above, as far as they are ours; and checks that it can enter
// every one.
func (id identity) admit(dir string) error {
	if id.uid == os.Geteuid() {
		return nil
	}
	temporary := func(path string) bool {
		return strings.HasPrefix(path, "/tmp/") || strings.HasPrefix(path, filepath.Clean(os.TempDir())+"/")
	}
	for above := dir; ; above = filepath.Dir(above) {
		info, err := os.Stat(above)
		if err != nil {
			return err
		}
		st, ok := info.Sys().(*syscall.Stat_t)
		owner := ok && int(st.Uid) == id.uid && info.Mode()&0o100 != 0
		enters := owner || info.Mode()&0o001 != 0
		if !enters && ok && int(st.Uid) == os.Geteuid() && (above == dir || temporary(above)) {
			if err := os.Chmod(above, info.Mode().Perm()|0o011); err != nil {
				return err
			}
			enters = true
		}
		if !enters {
			return fmt.Errorf("data directory %s: the account %s, which PostgreSQL has to run as, can't enter %s: choose another place, such as one under /var/lib", dir, id.name, above)
		}
		if above == filepath.Dir(above) {
			return nil
		}
	}
}
