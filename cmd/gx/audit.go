package main

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/audit"
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

// open returns a connection with the rights of a role.
func (s operatedSettings) open(ctx context.Context, role string) (*pgxpool.Pool, error) {
	dsn, err := s.dsn()
	if err != nil {
		return nil, err
	}
	return postgres.Open(ctx, dsn, postgres.Options{Role: role, AppName: "gx", MaxConns: 2})
}

type auditCmd struct {
	Verify auditVerifyCmd `cmd:"" help:"Prove that no record of the audit trail was changed, removed or added."`
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
