// Package clock injects time, so that tests own it.
package clock

import "time"

// Clock tells the present time in UTC. It must be safe for concurrent use.
type Clock func() time.Time

var _ Clock = System

// System is the real clock.
func System() time.Time { return time.Now().UTC() }
