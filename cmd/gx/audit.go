package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/platform/config"
	"gxcoin.money/gx/internal/platform/datadir"
	"gxcoin.money/gx/internal/platform/postgres"
)

// operatedSettings say which database an operator works on.
type operatedSettings struct {
	DatabaseURL config.Secret `placeholder:"URL" help:"PostgreSQL of the system. By default the private one of the system that runs on the data directory."`
	DataDir     string        `placeholder:"DIR" default:"${data_dir}" help:"Data directory of the running system. By default ${default}."`
}

// dsn says where the database is.
func (s operatedSettings) dsn() (string, error) {
	if dsn := s.DatabaseURL.Reveal(); dsn != "" {
		return dsn, nil
	}
	running, err := datadir.Find(s.DataDir)
	if err != nil {
		return "", fmt.Errorf("%w, or give --database-url", err)
	}
	if running.Database == "" {
		return "", fmt.Errorf("the system on %s has no private PostgreSQL: give --database-url", running.DataDir)
	}
	return running.Database, nil
}

// fabric says where the Fabric network of the system is that runs on the data
// directory; nil when its ledger is the embedded one, or another database was named.
func (s operatedSettings) fabric() (*connection.Config, error) {
	if s.DatabaseURL != "" {
		return nil, nil
	}
	running, err := datadir.Find(s.DataDir)
	if err != nil || running.Fabric == nil {
		return nil, err
	}
	c := connection.Config(*running.Fabric)
	return &c, nil
}

// open returns a connection with the rights of a role.
func (s operatedSettings) open(ctx context.Context, role string) (*pgxpool.Pool, error) {
	dsn, err := s.dsn()
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, dsn, postgres.Options{Role: role, AppName: "gx", MaxConns: 2})
}

type auditCmd struct {
	List   listAuditCmd   `cmd:"" group:"people" help:"As staff: list what was done, the last first."`
	Show   showAuditCmd   `cmd:"" group:"people" help:"As staff: show a record."`
	Verify auditVerifyCmd `cmd:"" help:"Prove that no record of the audit trail was changed, removed or added."`
}

type listAuditCmd struct {
	Actor          string    `placeholder:"WHO" help:"Only what somebody did: the id of a member of staff, or customer: and a profile id."`
	Action         string    `placeholder:"ACTION" help:"Only one action, such as STAFF_LOGIN."`
	About          string    `placeholder:"ID" help:"Only what was done to one thing: a profile, a wallet, a request."`
	From           time.Time `placeholder:"TIME" help:"Only since then, as in 2026-12-31T00:00:00Z."`
	To             time.Time `placeholder:"TIME" help:"Only before then."`
	pageSettings   `embed:""`
	remoteSettings `embed:""`
}

// Run prints one page of the trail.
func (c listAuditCmd) Run(ctx context.Context, p *program) error {
	q := client.ListAuditLogParams{Action: c.Action, ResourceID: c.About, From: c.From, To: c.To, Limit: c.Limit, Cursor: c.Cursor}
	if q.Actor = c.Actor; !strings.Contains(c.Actor, ":") {
		q.Actor, q.AdminID = "", c.Actor
	}
	return view(p, viewSettings{true, c.remoteSettings}, func(gx *client.Client) (client.AuditResponse, error) { return gx.ListAuditLog(ctx, q) },
		func(w io.Writer, r client.AuditResponse) {
			row(w, "RECORD", "AT", "ACTION", "BY")
			for _, e := range r.Data {
				row(w, e.ID, e.Timestamp, e.Action, e.Actor)
			}
			more(w, "--cursor", r.NextCursor)
		})
}

type showAuditCmd struct {
	ID             string `arg:"" help:"Number of the record."`
	remoteSettings `embed:""`
}

// Run prints a record.
func (c showAuditCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{true, c.remoteSettings}, func(gx *client.Client) (client.AuditEntry, error) { return gx.GetAuditEntry(ctx, c.ID) },
		func(w io.Writer, e client.AuditEntry) {
			var particulars json.RawMessage
			if e.Metadata != nil {
				particulars, _ = json.Marshal(e.Metadata) // it was JSON
			}
			facts(w, "record", e.ID, "at", e.Timestamp, "action", e.Action, "by", e.Actor, "role", e.Role, "about", strings.TrimSpace(e.ResourceType+" "+e.ResourceID),
				"particulars", json.RawMessage(particulars), "request", e.ApprovalRequestID, "from", e.IPAddress, "with", e.UserAgent, "session", e.SessionID,
				"hash", e.EventHash, "hash before", e.PreviousHash)
		})
}

type auditVerifyCmd struct {
	Head             []string `placeholder:"HEAD" help:"What an earlier run has printed: whoever could rewrite the whole trail is found by it alone. Can be repeated."`
	operatedSettings `embed:""`
}

// Run verifies the trail and prints its head; the error names the first break.
func (c auditVerifyCmd) Run(ctx context.Context, p *program) error {
	var kept []audit.Head
	for _, s := range c.Head {
		h, err := audit.ParseHead(s)
		if err != nil {
			return err
		}
		kept = append(kept, h)
	}
	pool, err := c.open(ctx, "gx_verifier")
	if err != nil {
		return err
	}
	defer pool.Close()
	r, err := audit.Verify(ctx, pool, kept...)
	if err != nil {
		return err
	}
	if r.Break != nil {
		return fmt.Errorf("the audit trail is broken at record %d: %s", r.Break.Sequence, r.Break.Reason)
	}
	anchored := "not on the ledger yet"
	if r.Anchored > 0 {
		anchored = fmt.Sprintf("on the ledger up to record %d", r.Anchored)
	}
	fmt.Fprintf(p.stdout, "The audit trail is whole: %s sealed, %d waiting, its head %s.\nKeep its head where the database's administrators cannot reach it:\n%s\n",
		count(r.Head.Sequence, "record"), r.Pending, anchored, r.Head)
	return nil
}
