package main

import (
	"time"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/schedule"
	"gxcoin.money/gx/internal/submitter"
)

// scheduleSettings say what the submitter's process does by time alone.
type scheduleSettings struct {
	ScheduleEvery time.Duration `placeholder:"DURATION" default:"1m" help:"How often the leading submitter looks for velocity taxes, ended votes, defaulted loans, expired multi-signature transactions and an audit trail to anchor, ${default} by default; 0 turns it off."`
	KeepFinished  time.Duration `placeholder:"DURATION" default:"168h" help:"How long commands that ended are kept, and at least how long an Idempotency-Key is known, ${default} by default. They leave by the day."`
}

// arguments give the same settings to a child.
func (s scheduleSettings) arguments() []string {
	return []string{"--schedule-every=" + s.ScheduleEvery.String(), "--keep-finished=" + s.KeepFinished.String()}
}

// jobs returns the jobs of the submitter of this process.
func (s *process) jobs(o scheduleSettings, box *outbox.Outbox) []submitter.Job {
	if o.ScheduleEvery <= 0 {
		return nil
	}
	return schedule.Jobs(schedule.Options{
		Every: o.ScheduleEvery, Outbox: box, Log: s.log.With("component", "schedule"), Registerer: s.ops.Registry(),
	})
}
