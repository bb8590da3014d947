package main

import (
	"log/slog"
	"testing"
	"time"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/ops"
)

// The schedule runs as often as it is told, and not at all with 0; a child is
// told the same.
func TestSchedule(t *testing.T) {
	for every, want := range map[string]int{"0s": 0, "-1s": 0, "90s": 5} {
		c := new(cli)
		parser, err := (&program{}).parser(c)
		if err != nil {
			t.Fatal(err)
		}
		d, err := time.ParseDuration(every)
		if err != nil {
			t.Fatal(err)
		}
		told := scheduleSettings{ScheduleEvery: d, KeepFinished: 25 * time.Hour}.arguments()
		if _, err := parser.Parse(append([]string{"submit", "--database-url=postgres://x"}, told...)); err != nil {
			t.Fatal(err)
		}
		s := &process{log: slog.New(slog.DiscardHandler), ops: ops.New(ops.Options{Process: "gx submit"})}
		if keep := c.Submit.KeepFinished; keep != 25*time.Hour {
			t.Errorf("it is told to keep what ended for %s", keep)
		}
		jobs := s.jobs(c.Submit.scheduleSettings, outbox.New(outbox.Options{}))
		if len(jobs) != want {
			t.Errorf("%d jobs every %s", len(jobs), every)
		}
		for _, j := range jobs {
			if j.Every != d {
				t.Errorf("%s runs every %s instead of %s", j.Name, j.Every, d)
			}
		}
	}
}
