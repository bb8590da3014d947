package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"gxcoin.money/gx/api/client"
)

type userCmd struct {
	Register  registerCmd   `cmd:"" help:"Register; the new person is logged in."`
	Identify  identifyCmd   `cmd:"" help:"Submit evidence of who one is: a scan of a document, which stays here, and its number."`
	Show      showUserCmd   `cmd:"" help:"Show oneself; as staff, anybody."`
	Change    changeUserCmd `cmd:"" help:"Change one's profile."`
	Countries countriesCmd  `cmd:"" help:"List the countries that people can be of."`
	Password  passwordCmd   `cmd:"" help:"Change one's password."`

	Export exportCmd `cmd:"" help:"Write everything that is kept about oneself, as JSON."`
	Erase  eraseCmd  `cmd:"" help:"Close one's account and have everything about oneself erased."`

	List       listUsersCmd  `cmd:"" help:"As staff: list people."`
	Approve    approveCmd    `cmd:"" help:"As staff: approve who somebody is, which gives them a GX id."`
	Deny       denyCmd       `cmd:"" help:"As staff: deny that somebody is who they say."`
	Enrol      enrolCmd      `cmd:"" help:"As staff: put approved people on the ledger, which gives them their coins."`
	Freeze     freezeUserCmd `cmd:"" help:"As staff: freeze a person's account."`
	Unfreeze   unfreezeUser  `cmd:"" help:"As staff: end a freeze."`
	Suspend    suspendCmd    `cmd:"" help:"As staff: let a person no longer log in."`
	Reactivate reactivateCmd `cmd:"" help:"As staff: end a suspension."`
	Close      closeCmd      `cmd:"" help:"As staff: close an account for good."`
}

type registerCmd struct {
	Email            string `arg:"" help:"E-mail address."`
	First            string `required:"" placeholder:"NAME" help:"First name."`
	Last             string `required:"" placeholder:"NAME" help:"Last name."`
	Born             string `required:"" placeholder:"DATE" help:"Birth date, as in 1990-12-31."`
	Gender           string `required:"" placeholder:"GENDER" enum:"female,male" help:"As in the passport: ${enum}."`
	Country          string `required:"" placeholder:"CC" help:"Nationality, two letters, as in CH: gx user countries."`
	Phone            string `placeholder:"NUMBER" help:"Telephone number with the country's prefix."`
	passwordSettings `embed:""`
	remoteSettings   `embed:""`
}

// Run registers a person and keeps their session.
func (c registerCmd) Run(ctx context.Context, p *program) error {
	at, err := c.where()
	if err != nil {
		return err
	}
	gx, err := at.client()
	if err != nil {
		return err
	}
	password, err := c.choose(p)
	if err != nil {
		return err
	}
	r, err := gx.Register(ctx, client.IdentityRegisterRequest{
		Email: c.Email, Password: password, Fname: c.First, Lname: c.Last, DateOfBirth: c.Born,
		Gender: strings.ToUpper(c.Gender), Country: c.Country, Phone: c.Phone,
	})
	if err != nil {
		return err
	}
	return c.remoteSettings.keep(p, login{Name: c.Email, Place: at, Kept: gx.Keep(r.Tokens())})
}

type identifyCmd struct {
	File           string `arg:"" type:"existingfile" help:"Scan of the document, JPEG, PNG or PDF. Only its hash leaves this machine."`
	Number         string `required:"" placeholder:"NUMBER" help:"Number of the document."`
	remoteSettings `embed:""`
}

// Run submits hash, size and type of the scan.
func (c identifyCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.person()
	if err != nil {
		return err
	}
	hash, content, err := fileHash(c.File)
	if err != nil {
		return err
	}
	r, err := gx.SubmitKYC(ctx, "me", client.KYCRequest{
		DocumentType: client.KYCRequestDocumentTypeNATIONALID, DocumentNumber: c.Number,
		EvidenceHash: hash, EvidenceSize: int64(len(content)), EvidenceMime: client.KYCRequestEvidenceMime(http.DetectContentType(content)),
	})
	if err != nil {
		return err
	}
	return c.show(p, r.KYCRecord, func(w io.Writer) {
		fmt.Fprintf(w, "Submitted: %s. Staff compares it with you.\n", r.KYCRecord.Status)
	})
}

type showUserCmd struct {
	ID             string `arg:"" optional:"" help:"As staff: profile id or GX id of a person."`
	remoteSettings `embed:""`
}

// Run prints a profile.
func (c showUserCmd) Run(ctx context.Context, p *program) error {
	if c.ID == "" {
		gx, err := c.person()
		if err != nil {
			return err
		}
		r, err := gx.GetMe(ctx)
		if err != nil {
			return err
		}
		u := r.User
		return c.show(p, u, func(w io.Writer) {
			facts(w, "name", u.FirstName+" "+u.LastName, "e-mail", u.Email, "GX id", u.FabricUserID, "profile", u.ProfileID, "status", u.Status,
				"country", u.NationalityCountryName, "born", u.DateOfBirth, "on the ledger since", u.OnchainRegisteredAt, "denied because", u.DenialReason)
		})
	}
	gx, err := c.staff()
	if err != nil {
		return err
	}
	u, err := gx.ViewUser(ctx, c.ID)
	if err != nil {
		return err
	}
	return c.show(p, u, func(w io.Writer) {
		facts(w, "name", u.FirstName+" "+u.LastName, "e-mail", u.Email, "GX id", u.FabricUserID, "profile", u.ProfileID, "status", u.Status,
			"country", u.NationalityCountryCode, "born", u.DateOfBirth, "on the ledger since", u.OnchainRegisteredAt, "denied because", u.DenialReason)
		for _, k := range u.KYCVerifications {
			facts(w, "evidence", fmt.Sprintf("%s, %s, SHA-256 %s", k.DocumentType, k.Status, k.EvidenceHash))
		}
	})
}

type changeUserCmd struct {
	First          *string `placeholder:"NAME" help:"First name."`
	Last           *string `placeholder:"NAME" help:"Last name."`
	Born           *string `placeholder:"DATE" help:"Birth date, as in 1990-12-31."`
	Gender         *string `placeholder:"GENDER" enum:"female,male" help:"As in the passport: ${enum}."`
	Country        *string `placeholder:"CC" help:"Nationality, two letters, as in CH: gx user countries."`
	Phone          *string `placeholder:"NUMBER" help:"Telephone number with the country's prefix; empty for none."`
	remoteSettings `embed:""`
}

// Run changes what is given.
func (c changeUserCmd) Run(ctx context.Context, p *program) error {
	if c.Gender != nil {
		*c.Gender = strings.ToUpper(*c.Gender)
	}
	return view(p, viewSettings{remoteSettings: c.remoteSettings}, func(gx *client.Client) (client.ChangeUserResponse, error) {
		var read client.Answer
		if _, err := gx.GetUser(ctx, "me", client.Receive(&read)); err != nil {
			return client.ChangeUserResponse{}, err
		}
		return gx.ChangeUser(ctx, "me", client.ChangeUserRequest{
			FirstName: c.First, LastName: c.Last, DateOfBirth: c.Born, Gender: c.Gender, NationalityCountryCode: c.Country, PhoneNum: c.Phone,
		}, client.IfMatch(read.Header.Get("ETag")))
	}, func(w io.Writer, r client.ChangeUserResponse) {
		fmt.Fprintf(w, "Changed: %s %s, born %s.\n", r.Profile.FirstName, r.Profile.LastName, r.Profile.DateOfBirth)
	})
}

type countriesCmd struct {
	remoteSettings `embed:""`
}

// Run lists the countries.
func (c countriesCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.nobody()
	if err != nil {
		return err
	}
	r, err := gx.ListCountries(ctx)
	if err != nil {
		return err
	}
	return c.show(p, r.Countries, func(w io.Writer) {
		row(w, "CODE", "COUNTRY", "REGION")
		for _, country := range r.Countries {
			row(w, country.CountryCode, country.CountryName, country.Region)
		}
	})
}

type passwordCmd struct {
	remoteSettings `embed:""`
}

// Run changes the password, which ends the other sessions.
func (c passwordCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.person()
	if err != nil {
		return err
	}
	now, next, err := p.newPassword()
	if err != nil {
		return err
	}
	r, err := gx.ChangePassword(ctx, client.IdentityPasswordRequest{CurrentPassword: now, NewPassword: next})
	if err != nil {
		return err
	}
	return c.show(p, r, func(w io.Writer) { fmt.Fprintln(w, r.Message) })
}

// newPassword asks for the password that there is and the one to come.
func (p *program) newPassword() (now, next string, err error) {
	if now, err = p.secret("Password now"); err != nil {
		return "", "", err
	}
	next, err = passwordSettings{}.choose(p)
	return now, next, err
}

type exportCmd struct {
	remoteSettings `embed:""`
}

// Run prints the export.
func (c exportCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.person()
	if err != nil {
		return err
	}
	r, err := gx.ExportMe(ctx)
	if err != nil {
		return err
	}
	return outputSettings{Output: "json"}.json(p, r)
}

type eraseCmd struct {
	Yes              bool `short:"y" help:"Do it without being asked."`
	passwordSettings `embed:""`
	orderSettings    `embed:""`
}

// Run asks for the password once more: this can't be undone.
func (c eraseCmd) Run(ctx context.Context, p *program) error {
	if err := p.confirm("Erase everything about you, for good?", c.Yes); err != nil {
		return err
	}
	password, err := c.passwordSettings.read(p)
	if err != nil {
		return err
	}
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.EraseMe(ctx, client.ErasureRequest{Password: password}, o...)
	})
}

type listUsersCmd struct {
	Status         string `placeholder:"STATUS" enum:",REGISTERED,PENDING_ADMIN_APPROVAL,APPROVED_PENDING_ONCHAIN,ACTIVE,FROZEN,SUSPENDED,DENIED,CLOSED" default:"" help:"Only those that are in it: ${enum}."`
	Search         string `placeholder:"TEXT" help:"Only those whose name or e-mail address matches."`
	Page           int64  `default:"1" help:"Which page."`
	Limit          int64  `default:"20" help:"How many at most, 1 to 100; ${default} by default."`
	remoteSettings `embed:""`
}

// Run prints one page of people.
func (c listUsersCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	r, err := gx.ListUsers(ctx, client.ListUsersParams{Status: client.ListUsersParamsStatus(c.Status), Search: c.Search, Page: c.Page, Limit: c.Limit})
	if err != nil {
		return err
	}
	return c.show(p, r, func(w io.Writer) {
		row(w, "PROFILE", "NAME", "COUNTRY", "STATUS")
		for _, u := range r.Users {
			row(w, u.ProfileID, line(u.FirstName+" "+u.LastName, 24), u.NationalityCountryCode, u.Status)
		}
		if r.Page < r.TotalPages {
			more(w, "--page", fmt.Sprint(r.Page+1))
		}
	})
}

type approveCmd struct {
	ID             string `arg:"" help:"Profile id."`
	Notes          string `placeholder:"TEXT" help:"For the record."`
	remoteSettings `embed:""`
}

// Run approves a person.
func (c approveCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	r, err := gx.ApproveUser(ctx, c.ID, &client.ApproveRequest{Notes: c.Notes})
	return c.reviewed(p, r, err)
}

func (s remoteSettings) reviewed(p *program, r client.ReviewResponse, err error) error {
	if err != nil {
		return err
	}
	return s.show(p, r, func(w io.Writer) {
		fmt.Fprintln(w, r.Message)
		facts(w, "status", r.Status, "GX id", r.FabricUserID)
	})
}

type denyCmd struct {
	ID             string `arg:"" help:"Profile id."`
	Reason         string `required:"" placeholder:"TEXT" help:"Why, 10 characters or more; they are told."`
	remoteSettings `embed:""`
}

// Run denies a person.
func (c denyCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	r, err := gx.DenyUser(ctx, c.ID, client.DenyRequest{Reason: c.Reason})
	return c.reviewed(p, r, err)
}

type enrolCmd struct {
	IDs           []string `arg:"" name:"id" help:"Profile ids or GX ids of approved people."`
	orderSettings `embed:""`
}

// Run puts people on the ledger and waits until they are there.
func (c enrolCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	r, err := gx.RegisterOnchain(ctx, client.AdminRegisterRequest{UserIds: c.IDs}, c.options()...)
	if err != nil {
		return err
	}
	ends := make([]client.CommandView, 0, len(r.Commands))
	var refused []error
	for _, command := range r.Commands {
		v := client.CommandView{CommandID: command.CommandID, Status: command.Status}
		if !c.NoWait {
			if v, err = gx.Await(ctx, command.CommandID, client.At("admin")); err != nil {
				return err
			}
		}
		ends = append(ends, v)
		refused = append(refused, refusal(v))
	}
	if err := c.show(p, ends, func(w io.Writer) {
		row(w, "WHO", "COMMAND", "STATUS", "BLOCK")
		for i, v := range ends {
			row(w, r.Commands[i].UserID, v.CommandID, string(v.Status), v.Result.BlockNumber)
		}
	}); err != nil {
		return err
	}
	return errors.Join(refused...)
}
