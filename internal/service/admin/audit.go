package admin

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/service/door"
)

// AuditEntry is one act (api.md 2.13).
type AuditEntry struct {
	ID                string    `json:"id,omitzero" doc:"Place in the chain; absent until it is sealed, a moment later"`
	Timestamp         door.Time `json:"timestamp"`
	Actor             string    `json:"actor" example:"staff:018f2d3c-…"`
	AdminID           string    `json:"adminId,omitzero" doc:"The actor, when a member of staff"`
	Role              string    `json:"role,omitzero"`
	Action            string    `json:"action" example:"STAFF_LOGIN"`
	ResourceType      string    `json:"resourceType"`
	ResourceID        string    `json:"resourceId,omitzero"`
	IPAddress         string    `json:"ipAddress,omitzero"`
	UserAgent         string    `json:"userAgent,omitzero"`
	SessionID         string    `json:"sessionId,omitzero"`
	RequestID         string    `json:"requestId,omitzero"`
	ApprovalRequestID string    `json:"approvalRequestId,omitzero"`
	Metadata          any       `json:"metadata,omitzero" doc:"Particulars of the act"`
	PreviousHash      string    `json:"previousHash,omitzero"`
	EventHash         string    `json:"eventHash,omitzero"`
}

func auditEntry(e audit.Entry) AuditEntry {
	out := AuditEntry{
		Timestamp: door.Time{Time: e.At}, Actor: e.Actor, Role: e.Role, Action: string(e.Action), ResourceType: e.ResourceType, ResourceID: e.ResourceID,
		IPAddress: e.Address, UserAgent: e.UserAgent, RequestID: e.RequestID,
	}
	if id, ok := strings.CutPrefix(e.Actor, "staff:"); ok {
		out.AdminID = id
	}
	if e.Session != nil {
		out.SessionID = e.Session.String()
	}
	if e.Approval != nil {
		out.ApprovalRequestID = e.Approval.String()
	}
	if string(e.Detail) != "{}" {
		out.Metadata = jsontext.Value(e.Detail)
	}
	if e.Sequence > 0 {
		out.ID, out.PreviousHash, out.EventHash = strconv.FormatInt(e.Sequence, 10), e.Previous.String(), e.Hash.String()
	}
	return out
}

func auditEntries(entries []audit.Entry) []AuditEntry {
	out := make([]AuditEntry, len(entries))
	for i, e := range entries {
		out[i] = auditEntry(e)
	}
	return out
}

// AuditFilter selects records.
type AuditFilter struct {
	AdminID      string    `query:"adminId" maxLength:"40" doc:"Id of a member of staff"`
	Actor        string    `query:"actor" maxLength:"60" doc:"Principal, for example customer:<profile id>"`
	Action       string    `query:"action" pattern:"^[A-Z_]{1,64}$"`
	ResourceType string    `query:"resourceType" maxLength:"40"`
	ResourceID   string    `query:"resourceId" maxLength:"100"`
	From         time.Time `query:"from"`
	To           time.Time `query:"to"`
	Cursor       string    `query:"cursor" maxLength:"20"`
}

func (f AuditFilter) filter(limit int) (audit.Filter, error) {
	out := audit.Filter{Actor: f.Actor, Action: audit.Action(f.Action), ResourceType: f.ResourceType, ResourceID: f.ResourceID, From: f.From, To: f.To, Limit: limit}
	if f.AdminID != "" {
		out.Actor = "staff:" + f.AdminID
	}
	if f.Cursor != "" {
		n, err := strconv.ParseInt(f.Cursor, 10, 64)
		if err != nil || n < 1 {
			return out, problem.BadField("cursor", "is not a cursor of this list")
		}
		out.Before = n
	}
	return out, nil
}

type auditInput struct {
	AuditFilter
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

type auditOutput struct {
	Body struct {
		Data       []AuditEntry `json:"data"`
		NextCursor string       `json:"nextCursor,omitzero"`
		HasMore    bool         `json:"hasMore"`
	}
}

func (s admin) auditLog(ctx context.Context, in *auditInput) (*auditOutput, error) {
	f, err := in.filter(in.Limit + 1)
	if err != nil {
		return nil, err
	}
	list, err := audit.List(ctx, s.Pool, f)
	if err != nil {
		return nil, err
	}
	var out auditOutput
	if out.Body.HasMore = len(list) > in.Limit; out.Body.HasMore {
		list = list[:in.Limit]
		out.Body.NextCursor = strconv.FormatInt(list[in.Limit-1].Sequence, 10)
	}
	out.Body.Data = auditEntries(list)
	return &out, nil
}

type auditEntryInput struct {
	ID string `path:"id" pattern:"^[1-9][0-9]{0,17}$" patternDescription:"the id of a record"`
}

type auditEntryOutput struct{ Body AuditEntry }

func (s admin) auditEntry(ctx context.Context, in *auditEntryInput) (*auditEntryOutput, error) {
	sequence, err := strconv.ParseInt(in.ID, 10, 64)
	if err != nil {
		return nil, problem.BadField("id", "is not the id of a record")
	}
	e, err := audit.Get(ctx, s.Pool, sequence)
	if errors.Is(err, audit.ErrNotFound) {
		return nil, problem.New(http.StatusNotFound, "not_found", "There is no such record.")
	}
	return &auditEntryOutput{auditEntry(e)}, err
}

// AuditReport says whether the chain is whole.
type AuditReport struct {
	Valid   bool        `json:"valid"`
	Head    string      `json:"head" doc:"The last record that is proved: keep it, and hand it to a later verification"`
	Pending int         `json:"pending" doc:"Records that wait to be sealed"`
	Anchor  AuditAnchor `json:"anchor"`
	Break   *AuditBreak `json:"break,omitzero"`
}

// AuditAnchor says how far the ledger vouches for the chain.
type AuditAnchor struct {
	ID    string     `json:"id,omitzero" doc:"The last record whose hash the ledger holds; absent before the first"`
	At    *door.Time `json:"at,omitzero" doc:"When the ledger was told"`
	Since int64      `json:"since" doc:"How many records were sealed after it"`
}

// AuditBreak is the first place where the chain is not what was sealed.
type AuditBreak struct {
	ID     string `json:"id"`
	Reason string `json:"reason"`
}

type verifyAuditInput struct {
	Head string `query:"head" maxLength:"100" doc:"The head of an earlier report"`
}

type verifyAuditOutput struct{ Body AuditReport }

func (s admin) verifyAudit(ctx context.Context, in *verifyAuditInput) (*verifyAuditOutput, error) {
	var kept []audit.Head
	if in.Head != "" {
		h, err := audit.ParseHead(in.Head)
		if err != nil {
			return nil, problem.BadField("head", "is not the head of a report")
		}
		kept = append(kept, h)
	}
	r, err := audit.Verify(ctx, s.Pool, kept...)
	if err != nil {
		return nil, err
	}
	out := verifyAuditOutput{AuditReport{Valid: r.Break == nil, Head: r.Head.String(), Pending: r.Pending}}
	a := &out.Body.Anchor
	a.Since = max(0, r.Head.Sequence-r.Anchored)
	if r.Anchored > 0 {
		a.ID, a.At = strconv.FormatInt(r.Anchored, 10), &door.Time{Time: r.AnchoredAt}
	}
	if r.Break != nil {
		out.Body.Break = &AuditBreak{strconv.FormatInt(r.Break.Sequence, 10), r.Break.Reason}
	}
	return &out, nil
}

// maxExport bounds the records of one export.
const maxExport = 10_000

type exportInput struct{ AuditFilter }

type exportOutput struct {
	Type        string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

// exportAudit answers with one record a line, and a last line that says how many
// there are, where to go on, and between which hashes of the chain they lie.
func (s admin) exportAudit(ctx context.Context, in *exportInput) (*exportOutput, error) {
	f, err := in.filter(maxExport)
	if err != nil {
		return nil, err
	}
	list, err := audit.List(ctx, s.Pool, f)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	line := func(v any) error {
		if err := json.MarshalWrite(&b, v, json.Deterministic(true)); err != nil {
			return err
		}
		return b.WriteByte('\n')
	}
	for _, e := range list {
		if err := line(auditEntry(e)); err != nil {
			return nil, err
		}
	}
	manifest := map[string]any{"count": len(list)}
	if n := len(list); n > 0 {
		manifest["from"], manifest["to"] = list[n-1].Previous.String(), list[0].Hash.String()
		if n == maxExport {
			manifest["nextCursor"] = strconv.FormatInt(list[n-1].Sequence, 10)
		}
	}
	detail, err := audit.Detail(manifest)
	if err == nil {
		err = line(map[string]any{"manifest": jsontext.Value(detail)})
	}
	if err == nil {
		err = s.Audit(ctx, s.Pool, audit.Record{Action: "AUDIT_EXPORTED", ResourceType: "audit", Detail: detail})
	}
	return &exportOutput{"application/x-ndjson", `attachment; filename="audit.ndjson"`, b.Bytes()}, err
}
