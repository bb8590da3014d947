package verifier

import (
	"fmt"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/protocol/qirat"
)

var systemKinds = []kind{
	{
		object: "sys", table: "read.system_status", want: showSystem,
		rows: `SELECT s.* FROM (
			SELECT 'status' AS name, paused, reason, changed_at, NULL::bigint AS max_supply, NULL::bigint AS countries, NULL::bigint AS weight_e8
			FROM read.system_status WHERE bootstrapped
			UNION ALL SELECT 'bootstrap', NULL, NULL, NULL, max_supply, NULL, NULL FROM read.system_status WHERE bootstrapped
			UNION ALL SELECT 'countryInit', NULL, NULL, NULL, NULL, count(*), sum(weight_e8)::bigint FROM read.countries HAVING count(*) > 0
		) s WHERE s.name = k.k1`,
		walk: &walk{from: "read.system_status", where: "bootstrapped", columns: []string{"singleton"}, unit: func([]any) (unit, bool) {
			return unit{[]string{"status"}, []string{"status"}}, true
		}},
	},
	{
		object: "param", table: "read.parameters", walk: over("read.parameters", "param_id"),
		rows: `SELECT value, updated_at FROM read.parameters WHERE param_id = k.k1`,
		want: object(func(_ []string, v *contract.SystemParameter) fields {
			return fields{"value": v.Value, "updated_at": v.UpdatedAt}
		}),
	},
	{
		object: "cty", table: "read.countries", walk: over("read.countries", "country_code"),
		rows: `SELECT weight_e8, slots, used, ineligible_users, exhausted_users FROM read.countries WHERE country_code = k.k1`,
		want: object(func(_ []string, c *contract.Country) fields {
			return fields{
				"weight_e8": c.WeightE8, "slots": c.Slots, "used": c.Used, "ineligible_users": c.IneligibleUsers, "exhausted_users": c.ExhaustedUsers,
			}
		}),
	},
	{
		object: "adm", table: "read.admins", walk: &walk{from: "read.admins", where: "revoked_at IS NULL", columns: []string{"admin_id"}},
		rows: `SELECT appointed_by, appointed_at FROM read.admins WHERE admin_id = k.k1 AND revoked_at IS NULL`,
		want: object(func(_ []string, r *contract.AdminRecord) fields {
			return fields{"appointed_by": r.AppointedBy, "appointed_at": r.AppointedAt}
		}),
	},
	{
		object: "anchor", table: "read.audit_anchors",
		rows: `SELECT hash, at FROM read.audit_anchors WHERE sequence::text = k.k1`,
		walk: &walk{from: "read.audit_anchors", columns: []string{"sequence"}, unit: func(columns []any) (unit, bool) {
			key := []string{fmt.Sprint(columns[0])}
			return unit{key, key}, true
		}},
		want: object(func(_ []string, a *contract.AuditAnchor) fields { return fields{"hash": a.Hash, "at": a.AnchoredAt} }),
	},
}

// showSystem reads the three objects about the system as a whole.
func showSystem(objects []contract.Exported) (unit, fields, error) {
	attrs := objects[0].Key[1:]
	u := unit{attrs, attrs}
	switch attrs[0] {
	case "status":
		s, err := decode[contract.SystemStatus](objects[0])
		if err != nil {
			return u, nil, err
		}
		return u, fields{"paused": s.Paused, "reason": s.Reason, "changed_at": s.ChangedAt}, nil
	case "bootstrap":
		return u, fields{"max_supply": qirat.MaxSupply}, nil
	case "countryInit":
		c, err := decode[struct {
			Count    int       `json:"count"`
			WeightE8 uint64    `json:"weightE8"`
			TxID     string    `json:"txID"`
			At       time.Time `json:"at"`
		}](objects[0])
		if err != nil {
			return u, nil, err
		}
		return u, fields{"countries": c.Count, "weight_e8": c.WeightE8}, nil
	}
	return u, nil, fmt.Errorf("an object that this program does not know")
}
