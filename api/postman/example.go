package postman

import (
	"encoding/json"
	"strings"
)

// schema is the part of a JSON schema of which an example is made.
type schema struct {
	Ref        string `json:"$ref"`
	Type       kinds
	Format     string
	Pattern    string
	Enum       []any
	Examples   []any
	Minimum    *float64
	MinLength  int
	Required   []string
	Properties map[string]schema
	Items      *schema
}

// kinds are the types that a value may have.
type kinds []string

// UnmarshalJSON reads one type or a list of them.
func (k *kinds) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*k = kinds{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(k))
}

func (g *generator) resolve(s schema) schema {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		return g.document.Components.Schemas[name]
	}
	return s
}

// values are the members that mean something: what a step before has learnt, or
// what is right on every system.
var values = map[string]any{
	"profileId": "{{profileId}}", "userId": "{{otherProfileId}}", "userIds": "{{otherProfileId}}", "walletId": "{{otherGxId}}", "accountId": "{{gxId}}",
	"fromId": "{{gxId}}", "toId": "{{otherGxId}}", "toID": "{{otherGxId}}", "toUserId": "{{otherGxId}}", "borrowerId": "{{gxId}}", "proposerId": "{{gxId}}",
	"stakeholderIds": "{{gxId}}", "refreshToken": "{{refreshToken}}", "amount": "1000000", "country": "CH", "countryCode": "CH",
	"orgId": "{{orgId}}", "pendingTxId": "{{pendingTxId}}", "proposalId": "{{proposalId}}", "relationshipId": "{{relationshipId}}", "pool": "CHARITABLE",
	"recipientID": "{{gxId}}", "fromID": "SYSTEM_CHARITABLE_POOL", "approverGroup": "{{gxId}}", "targetParam": "votingPeriodDays",
	"loanId": "{{loanId}}", "approvalId": "{{approvalId}}", "sessionId": "{{sessionId}}", "id": "{{auditId}}", "offTxId": "{{offTxId}}", "recoveryId": "{{recoveryId}}", "balance": "500000000", "address": "{{otherGxId}}",
	"commandId": "{{commandId}}", "adminId": "{{colleagueId}}", "paramId": "poolDisburseMax", "newValue": "1000000",
	"reason": "Because the collection asks for everything once.", "email": "somebody.{{$randomUUID}}@example.org", "username": "u{{$timestamp}}",
}

// parameter returns the value of a path parameter: known, or well-formed and of nothing.
func (g *generator) parameter(p parameter) string {
	if v, ok := values[p.Name].(string); ok {
		return v
	}
	return "{{$guid}}"
}

// maxNesting bounds examples of schemas that contain themselves.
const maxNesting = 6

// example returns a value that a schema describes, numbers of a query as text.
func (g *generator) example(name string, s schema, depth int) any {
	s = g.resolve(s)
	kind := ""
	if len(s.Type) > 0 {
		kind = s.Type[0]
	}
	switch v, known := values[name]; {
	case known && kind == "string" && s.Enum == nil:
		return v
	case len(s.Examples) > 0:
		return s.Examples[0]
	case len(s.Enum) > 0:
		return s.Enum[0]
	case depth > maxNesting:
		return nil
	}
	switch kind {
	case "object":
		out := map[string]any{}
		for member, p := range s.Properties {
			out[member] = g.example(member, p, depth+1)
		}
		return out
	case "array":
		if s.Items == nil {
			return []any{}
		}
		return []any{g.example(name, *s.Items, depth+1)}
	case "string":
		switch {
		case s.Format == "uuid":
			return "{{$guid}}"
		case s.Format == "date-time":
			return "2026-01-02T15:04:05.000Z"
		case strings.Contains(s.Pattern, "{64}"):
			return strings.Repeat("0a", 32)
		}
		return strings.Repeat("text", max(1, (s.MinLength+3)/4))
	case "integer", "number":
		if s.Minimum != nil && *s.Minimum > 1 {
			return *s.Minimum
		}
		return 1
	case "boolean":
		return false
	}
	return map[string]any{}
}
