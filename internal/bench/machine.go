package bench

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Machine is where and under what circumstances was measured.
type Machine struct {
	Cores      int               `json:"cores"`
	OS         string            `json:"os"`
	Arch       string            `json:"arch"`
	Go         string            `json:"go"`
	LoadBefore [3]float64        `json:"loadBefore"` // averages of 1, 5 and 15 minutes
	LoadAfter  [3]float64        `json:"loadAfter"`
	Postgres   map[string]string `json:"postgres"` // settings that matter
}

// settings of PostgreSQL that a figure depends on.
var settings = []string{"server_version", "fsync", "synchronous_commit", "full_page_writes", "wal_sync_method", "wal_level", "shared_buffers", "max_wal_size"}

func machine(ctx context.Context, db *pgx.Conn) (Machine, error) {
	m := Machine{Cores: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version(), LoadBefore: loadAverage(), Postgres: map[string]string{}}
	for _, name := range settings {
		var value string
		if err := db.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&value); err != nil {
			return m, fmt.Errorf("read setting %s: %w", name, err)
		}
		m.Postgres[name] = value
	}
	return m, nil
}

func loadAverage() (l [3]float64) {
	b, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return l
	}
	for i, f := range strings.Fields(string(b))[:3] {
		l[i], _ = strconv.ParseFloat(f, 64) // zero says that it is not known
	}
	return l
}

// ticks are the units of CPU time in /proc: USER_HZ, which is 100 everywhere.
const ticks = 100

// process is what /proc tells of a process.
type process struct {
	parent   int
	name     string
	group    string  // what it is, see look
	cpu      float64 // seconds since its start
	resident int64   // bytes
}

// processes reads /proc: root and all its descendants, and this process. Where
// there is no /proc it returns nothing.
func processes(root int) map[int]process {
	all := map[int]process{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	page := int64(os.Getpagesize())
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		// The name may hold anything; what follows it doesn't.
		open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		if open < 0 || end < open {
			continue
		}
		f := strings.Fields(string(stat[end+1:]))
		if len(f) < 22 {
			continue
		}
		number := func(i int) int64 { n, _ := strconv.ParseInt(f[i], 10, 64); return n }
		all[pid] = process{
			parent: int(number(1)), name: string(stat[open+1 : end]),
			cpu: float64(number(11)+number(12)) / ticks, resident: number(21) * page,
		}
	}
	ours := map[int]process{}
	for pid, p := range all {
		ancestor := pid
		for ancestor > 1 && ancestor != root {
			ancestor = all[ancestor].parent
		}
		if ancestor == root || pid == os.Getpid() {
			ours[pid] = p
		}
	}
	return ours
}

// look is processes with what each of them is. backends names the connections of
// PostgreSQL by process id.
func look(root int, backends map[int]string) map[int]process {
	all := processes(root)
	for pid, p := range all {
		switch {
		case pid == os.Getpid():
			p.group = self
		case strings.HasPrefix(p.name, "postgre"):
			p.group = postgresGroup + backends[pid]
		default:
			p.group = role(pid)
		}
		all[pid] = p
	}
	return all
}

// spent returns the CPU seconds of each group between two looks.
func spent(before, after map[int]process) map[string]float64 {
	out := map[string]float64{}
	for pid, p := range after {
		out[p.group] += p.cpu - before[pid].cpu // what is new began with nothing
	}
	return out
}

// memory returns the resident bytes of each group of GX. PostgreSQL is left out:
// what its processes share would count in each of them.
func memory(all map[int]process) map[string]int64 {
	out := map[string]int64{}
	for _, p := range all {
		if p.group != self && !strings.HasPrefix(p.group, postgresGroup) {
			out[p.group] += p.resident
		}
	}
	return out
}

// hold stops the process of a role until proceed is called. There is none when all
// roles are in one process.
func hold(root int, name string) (proceed func(), held bool) {
	for pid, p := range processes(root) {
		if pid != os.Getpid() && !strings.HasPrefix(p.name, "postgre") && role(pid) == name && syscall.Kill(pid, syscall.SIGSTOP) == nil {
			return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }, true
		}
	}
	return func() {}, false
}

const (
	self          = "gx bench (the load)"
	postgresGroup = "PostgreSQL"
	forBaseline   = " for the baseline"
)

// backends names the connections to PostgreSQL after whom they serve.
func backends(ctx context.Context, db *pgx.Conn) (map[int]string, error) {
	rows, err := db.Query(ctx, "SELECT pid, application_name FROM pg_stat_activity WHERE application_name <> ''")
	if err != nil {
		return nil, fmt.Errorf("read connections: %w", err)
	}
	out := map[int]string{}
	var pid int
	var name string
	_, err = pgx.ForEachRow(rows, []any{&pid, &name}, func() error {
		switch role, ok := strings.CutPrefix(name, "gx gx_"); {
		case ok:
			out[pid] = " for the " + role
		case name == baselineName:
			out[pid] = forBaseline
		}
		return nil
	})
	return out, err
}

// role names a process of GX after its arguments: gx serve tokenomics.
func role(pid int) string {
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	if err != nil {
		return "gx"
	}
	args := strings.Split(strings.TrimRight(string(b), "\x00"), "\x00")
	name := []string{"gx"}
	for _, a := range args[1:] {
		if strings.HasPrefix(a, "-") || len(name) == 3 {
			break
		}
		name = append(name, a)
	}
	return strings.Join(name, " ")
}

// sortGroups puts those of GX first, then PostgreSQL, then the load.
func sortGroups(names []string) []string {
	rank := func(n string) string {
		switch {
		case n == self:
			return "3"
		case n == postgresGroup:
			return "2"
		case strings.HasPrefix(n, postgresGroup):
			return "1" + n
		}
		return "0" + n
	}
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(rank(a), rank(b)) })
	return names
}
