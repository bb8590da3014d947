package main

import "gxcoin.money/gx/internal/platform/config"

type configCmd struct {
	Print configPrintCmd `cmd:"" passthrough:"" help:"Print the settings that a command would run with, and where each comes from. Secrets are not shown."`
}

type configPrintCmd struct {
	Command []string `arg:"" optional:"" help:"The command with its flags; up without. Example: gx config print serve identity --listen=:3001"`
}

// Run prints the settings of the command.
func (c configPrintCmd) Run(p *program) error {
	args := c.Command
	switch {
	case len(args) == 0:
		args = []string{"up"}
	case args[0] == "--help" || args[0] == "-h":
		return p.parsed.PrintUsage(false)
	}
	parser, err := p.parser(new(cli))
	if err != nil {
		return err
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return err
	}
	settings, err := p.env.Settings(parsed)
	if err != nil {
		return err
	}
	return config.Print(p.stdout, settings)
}
