package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"text/tabwriter"

	"gxcoin.money/gx/internal/platform/postgres"
)

// version is set by the linker for a release; else the build tells.
var version string

// build is what this binary was built from.
type build struct {
	Version  string
	Commit   string // empty when the build was told to say nothing
	Time     string // of the commit
	Modified bool   // there was more than the commit
}

func thisBuild() build {
	b := build{Version: version}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "(devel)" {
		b.Version = "development build"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(p *program) error {
	b := thisBuild()
	commit := b.Commit
	switch {
	case commit == "":
		commit = "unknown"
	case b.Modified:
		commit += ", with local changes"
	}
	schema, err := postgres.Latest()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "gx\t%s\n", b.Version)
	fmt.Fprintf(w, "commit\t%s\n", commit)
	if b.Time != "" {
		fmt.Fprintf(w, "date\t%s\n", b.Time)
	}
	fmt.Fprintf(w, "schema\t%d\n", schema)
	fmt.Fprintf(w, "go\t%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return w.Flush()
}
