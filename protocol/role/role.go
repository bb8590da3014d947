// Package role names the ledger roles: the values of the certificate
// attribute gxc_role that the contracts check (domain.md 0.2). Equality is
// exact; no role implies another.
package role

import "fmt"

// Role is one value of the gxc_role attribute.
type Role string

const (
	SuperAdmin Role = "gx_super_admin"
	Admin      Role = "gx_admin"
	PartnerAPI Role = "gx_partner_api"
)

// All lists every role in a fixed order.
var All = []Role{SuperAdmin, Admin, PartnerAPI}

// Parse returns the role spelled s.
func Parse(s string) (Role, error) {
	for _, r := range All {
		if string(r) == s {
			return r, nil
		}
	}
	return "", fmt.Errorf("role: %q is not a ledger role", s)
}
