// Package organization is the door of organizations. It serves the operational routes and the
// status of commands, which every service has; the contract of organizations and the
// routes to it are not built yet.
package organization

import "gxcoin.money/gx/internal/service/door"

// Register adds the routes of the organization service: none of its own yet.
func Register(*door.Door) {}
