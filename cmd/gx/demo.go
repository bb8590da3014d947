package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/platform/config"
	"gxcoin.money/gx/internal/platform/datadir"
)

// systemSettings say where a running system is and who may administer it.
type systemSettings struct {
	DataDir       string        `placeholder:"DIR" default:"${data_dir}" help:"Data directory of the system that gx up runs; its addresses and the first staff login are taken from there. By default ${default}."`
	URL           string        `placeholder:"URL" help:"Host that leads to every service, instead of the addresses in the data directory."`
	StaffUser     string        `placeholder:"NAME" help:"Member of staff who approves people. By default the first one of the data directory."`
	StaffPassword config.Secret `placeholder:"PASSWORD" help:"Their password. Best given in a file."`
}

// find returns a client of nobody and the staff login, and what gx up has told
// about the system when that was asked.
func (s *systemSettings) find() (nobody *client.Client, running datadir.Running, err error) {
	o := client.Options{URL: s.URL, UserAgent: "gx/" + thisBuild().Version}
	if s.URL == "" || s.StaffPassword == "" {
		if running, err = datadir.Find(s.DataDir); err != nil {
			return nil, running, err
		}
		if s.URL == "" {
			o.Services = running.Services
		}
		if s.StaffUser == "" {
			s.StaffUser = running.StaffUser
		}
		if s.StaffPassword == "" {
			password, err := os.ReadFile(running.StaffPassword)
			if err != nil {
				return nil, running, fmt.Errorf("the first staff password can't be read, give --staff-user and --staff-password: %w", err)
			}
			s.StaffPassword = config.Secret(strings.TrimSpace(string(password)))
		}
	}
	return client.New(o), running, nil
}

type outputSettings struct {
	Output string `short:"o" enum:"text,json" default:"text" placeholder:"FORMAT" help:"Form of the output: text or json."`
}

// text returns where a text for people goes, which is nowhere when a program reads.
func (s outputSettings) text(p *program) io.Writer {
	if s.Output == "json" {
		return nil
	}
	return p.stdout
}

// json prints v when a program reads.
func (s outputSettings) json(p *program, v any) error {
	if s.Output != "json" {
		return nil
	}
	e := json.NewEncoder(p.stdout)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

type demoCmd struct {
	People         int `placeholder:"N" default:"20" help:"How many people register, 4 or more; ${default} by default."`
	systemSettings `embed:""`
	outputSettings `embed:""`
}

// Run plays the story; it fails when anything in it is not as it must be.
func (c demoCmd) Run(ctx context.Context, p *program) error {
	nobody, _, err := c.find()
	if err != nil {
		return err
	}
	report, err := demo.Run(ctx, demo.Options{
		Client: nobody, Username: c.StaffUser, Password: c.StaffPassword.Reveal(), People: c.People, Out: c.text(p),
	})
	if err != nil {
		return err
	}
	if err := c.json(p, report); err != nil {
		return err
	}
	if !report.OK {
		return errors.New("the demo found something that is not as it must be")
	}
	return nil
}
