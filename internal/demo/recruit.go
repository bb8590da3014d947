package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"golang.org/x/sync/errgroup"

	"gxcoin.money/gx/api/client"
)

// Customer is a person with a session and, once recruited, an account on the ledger.
type Customer struct {
	Person
	Client  *client.Client
	Profile string
	Account string             // GX id
	Opened  client.CommandView // the command that put them on the ledger
}

// together bounds the requests that are sent at once.
const together = 4

// each runs do for the numbers 0 to n-1, a few at once.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(together)
	for i := range n {
		g.Go(func() error { return do(ctx, i) })
	}
	return g.Wait()
}

// Recruit takes people all the way to an account on the ledger: they register and
// submit evidence, staff approves them and registers them on the ledger.
func Recruit(ctx context.Context, gx, staff *client.Client, people []Person) ([]*Customer, error) {
	customers, err := register(ctx, gx, people)
	if err != nil {
		return nil, err
	}
	if err := approve(ctx, staff, customers); err != nil {
		return nil, err
	}
	return customers, open(ctx, staff, customers)
}

// register makes customers of people and submits the evidence of who they are.
func register(ctx context.Context, gx *client.Client, people []Person) ([]*Customer, error) {
	out := make([]*Customer, len(people))
	err := each(ctx, len(people), func(ctx context.Context, i int) error {
		p := people[i]
		s, err := gx.Register(ctx, client.IdentityRegisterRequest{
			Fname: p.First, Lname: p.Last, Email: p.Email, Password: p.Password, DateOfBirth: p.Born, Gender: p.Gender, Country: p.Country,
		})
		if err != nil {
			return fmt.Errorf("register %s: %w", p.Name(), err)
		}
		c := &Customer{Person: p, Client: gx.As(s.Tokens()), Profile: s.User.ProfileID}
		scan := sha256.Sum256([]byte("scan of document " + p.Document))
		if _, err := c.Client.SubmitKYC(ctx, c.Profile, client.KYCRequest{
			DocumentType: client.KYCRequestDocumentTypeNATIONALID, DocumentNumber: p.Document,
			EvidenceHash: hex.EncodeToString(scan[:]), EvidenceSize: 120_000, EvidenceMime: client.KYCRequestEvidenceMimeImageJpeg,
		}); err != nil {
			return fmt.Errorf("submit the evidence of %s: %w", p.Name(), err)
		}
		out[i] = c
		return nil
	})
	return out, err
}

// approve lets staff give each customer their GX id.
func approve(ctx context.Context, staff *client.Client, customers []*Customer) error {
	return each(ctx, len(customers), func(ctx context.Context, i int) error {
		c := customers[i]
		r, err := staff.ApproveUser(ctx, c.Profile, &client.ApproveRequest{Notes: "The document was compared with the person."})
		if err != nil {
			return fmt.Errorf("approve %s: %w", c.Name(), err)
		}
		c.Account = r.FabricUserID
		return nil
	})
}

// maxRegistrations is how many people one request may put on the ledger.
const maxRegistrations = 100

// open puts approved customers on the ledger and waits until they are there.
func open(ctx context.Context, staff *client.Client, customers []*Customer) error {
	for begin := 0; begin < len(customers); begin += maxRegistrations {
		part := customers[begin:min(begin+maxRegistrations, len(customers))]
		profiles := make([]string, len(part))
		for i, c := range part {
			profiles[i] = c.Profile
		}
		r, err := staff.RegisterOnchain(ctx, client.AdminRegisterRequest{UserIds: profiles})
		if err != nil {
			return fmt.Errorf("register on the ledger: %w", err)
		}
		if len(r.Commands) != len(part) {
			return fmt.Errorf("register on the ledger: %d of %d people were accepted", len(r.Commands), len(part))
		}
		if err := each(ctx, len(part), func(ctx context.Context, i int) (err error) {
			c := part[i]
			if c.Opened, err = staff.Await(ctx, r.Commands[i].CommandID, client.At("admin")); err != nil {
				return fmt.Errorf("wait for the account of %s: %w", c.Name(), err)
			}
			if c.Opened.Status != client.CommandStatusCONFIRMED {
				return fmt.Errorf("the ledger refused %s: %s: %s", c.Name(), c.Opened.ErrorCode, c.Opened.Error)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}
