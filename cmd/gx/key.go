package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/sealed"
	"gxcoin.money/gx/internal/platform/token"
)

type keyCmd struct {
	Token  tokenKeyCmd  `cmd:"" help:"Print a new key that signs access tokens."`
	Field  fieldKeyCmd  `cmd:"" help:"Print a new key that seals personal data."`
	List   listKeysCmd  `cmd:"" help:"List the keys whose access tokens are or were accepted."`
	Retire retireKeyCmd `cmd:"" help:"Refuse the access tokens of a key from now on."`
}

type tokenKeyCmd struct{}

// Run prints a key in PEM.
func (tokenKeyCmd) Run(p *program) error {
	key, err := token.GenerateKey()
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(key)
	return err
}

type fieldKeyCmd struct{}

// Run prints a key with its id.
func (fieldKeyCmd) Run(p *program) error {
	_, err := fmt.Fprintln(p.stdout, sealed.NewKey())
	return err
}

type listKeysCmd struct {
	operatedSettings `embed:""`
}

// Run lists the keys, the newest first.
func (c listKeysCmd) Run(ctx context.Context, p *program) error {
	pool, err := c.open(ctx, "gx_service")
	if err != nil {
		return err
	}
	defer pool.Close()
	keys, err := token.List(ctx, pool)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "KEY\tSINCE\tRETIRED")
	for _, k := range keys {
		retired := "-"
		if k.RetiredAt != nil {
			retired = k.RetiredAt.UTC().Format(time.RFC3339)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", k.KeyID, k.CreatedAt.UTC().Format(time.RFC3339), retired)
	}
	return w.Flush()
}

type retireKeyCmd struct {
	Key              string `arg:"" help:"Id of the key, see gx key list."`
	operatedSettings `embed:""`
}

// Run retires the key for good.
func (c retireKeyCmd) Run(ctx context.Context, p *program) error {
	pool, err := c.open(ctx, "gx_service")
	if err != nil {
		return err
	}
	defer pool.Close()
	if err := token.Retire(ctx, pool, clock.System, c.Key); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "The key is retired; within half a minute no service accepts its tokens.")
	return nil
}
