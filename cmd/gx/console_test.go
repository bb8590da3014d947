package main

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConsole(t *testing.T) {
	for name, tc := range map[string]struct {
		live bool
		want []string
	}{
		"file": {false, []string{
			"  PostgreSQL   making a data directory ...",
			"  PostgreSQL   waiting for it ...",
			"  PostgreSQL   is running                                        12.2 s",
			"  schema       version 1                                          0.0 s",
			"",
		}},
		"terminal": {true, []string{
			clearLine + "  PostgreSQL   making a data directory (1 s)",
			clearLine + "  PostgreSQL   waiting for it (2 s)",
			clearLine + "  PostgreSQL   is running                                        12.2 s",
			clearLine + "  schema       version 1                                          0.0 s",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out strings.Builder
				c := &console{w: &out, live: tc.live}
				c.step("PostgreSQL")
				c.progress("making a data directory")
				<-time.After(1100 * time.Millisecond)
				c.progress("waiting for it")
				<-time.After(11100 * time.Millisecond)
				c.finish("is running")
				c.step("schema")
				c.finish("version 1")
				c.finish("is not at work")
				got := strings.Split(out.String(), "\n")
				if tc.live {
					for _, want := range tc.want {
						if !strings.Contains(out.String(), want) {
							t.Errorf("%q is not in %q", want, out.String())
						}
					}
				} else if diff := cmp.Diff(tc.want, got); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestConsoleLeavesNoLineOfAFailedStep(t *testing.T) {
	var out strings.Builder
	c := &console{w: &out}
	c.step("ledger")
	c.finish("")
	if out.Len() > 0 {
		t.Errorf("printed %q", &out)
	}
}
