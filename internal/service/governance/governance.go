// Package governance is the door of proposals. It serves the operational routes and the
// status of commands, which every service has; the contract of proposals and the
// routes to it are not built yet.
package governance

import "gxcoin.money/gx/internal/service/door"

// Register adds the routes of the governance service: none of its own yet.
func Register(*door.Door) {}
