package main

import (
	"time"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/schedule"
	"gxcoin.money/gx/internal/submitter"
)

// scheduleSettings say how the submitter's process looks for what falls due by
// time alone.
type scheduleSettings struct {
	ScheduleEvery time.Duration `placeholder:"DURATION" default:"1m" help:"How often the leading submitter looks for velocity taxes, ended votes, defaulted loans, expired multi-signature transactions and an audit trail to anchor, ${default} by default; 0 turns it off."`
}

// arguments give the same settings to a child.
func (s scheduleSettings) arguments() []string {
	return []string{"--schedule-every=" + s.ScheduleEvery.String()}
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
