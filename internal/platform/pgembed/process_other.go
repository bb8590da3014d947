//go:build !linux

package pgembed

import (
	"os/exec"
	"strconv"
	"strings"
)

// serves reports whether pid is the postmaster of the cluster in data, which
// is on its command line.
func serves(pid int, data string) bool {
	out, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), data) && strings.Contains(string(out), "postgres")
}

// processes lists the postmaster of the cluster in data; the backends can't
// be told apart here, and PostgreSQL itself refuses to start beside them.
func processes(data string) []int {
	if pm, err := readPostmaster(data); err == nil && serves(pm.pid, data) {
		return []int{pm.pid}
	}
	return nil
}
