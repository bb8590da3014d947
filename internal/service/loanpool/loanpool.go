// Package loanpool is the door of loans. It serves the operational routes and the
// status of commands, which every service has; the contract of loans and the
// routes to it are not built yet.
package loanpool

import "gxcoin.money/gx/internal/service/door"

// Register adds the routes of the loanpool service: none of its own yet.
func Register(*door.Door) {}
