// Package service lists the seven services and builds each by name.
package service

import (
	"fmt"
	"net/http"
	"slices"

	"gxcoin.money/gx/internal/service/admin"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/governance"
	"gxcoin.money/gx/internal/service/identity"
	"gxcoin.money/gx/internal/service/loanpool"
	"gxcoin.money/gx/internal/service/organization"
	"gxcoin.money/gx/internal/service/tax"
	"gxcoin.money/gx/internal/service/tokenomics"
)

// Deps is what a service needs from its process.
type Deps = door.Deps

// Door is a service with the port it listens on by default.
type Door struct {
	Name     string
	Port     int
	register func(*door.Door)
	signs    bool // issues tokens, so it needs Signer and Passwords
}

// Doors lists the services in the order of their ports.
var Doors = []Door{
	{"identity", 3001, identity.Register, true},
	{"admin", 3002, admin.Register, true},
	{"tokenomics", 3003, tokenomics.Register, false},
	{"organization", 3004, organization.Register, false},
	{"loanpool", 3005, loanpool.Register, false},
	{"governance", 3006, governance.Register, false},
	{"tax", 3007, tax.Register, false},
}

// New returns the handler of a service.
func New(name string, d Deps) (http.Handler, error) {
	s, err := find(name)
	if err != nil {
		return nil, err
	}
	if s.signs && (d.Signer == nil || d.Passwords == nil) {
		return nil, fmt.Errorf("service %s: a signing key and a password hasher are needed", name)
	}
	if s.signs && len(d.Pepper) < 32 {
		return nil, fmt.Errorf("service %s: a pepper of 32 bytes or more is needed", name)
	}
	return door.New(name, d, s.register)
}

// Document returns the OpenAPI document of a service.
func Document(name, version string) ([]byte, error) {
	s, err := find(name)
	if err != nil {
		return nil, err
	}
	return door.Document(name, version, s.register)
}

func find(name string) (Door, error) {
	i := slices.IndexFunc(Doors, func(s Door) bool { return s.Name == name })
	if i < 0 {
		return Door{}, fmt.Errorf("service: there is no service %q", name)
	}
	return Doors[i], nil
}
