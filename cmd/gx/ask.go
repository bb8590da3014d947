package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// input is where answers of people come from: a terminal, or a file or pipe with
// one answer a line.
type input struct {
	file   *os.File
	reader *bufio.Reader
}

func newInput(f *os.File) *input { return &input{f, bufio.NewReader(f)} }

func (in *input) terminal() bool { return term.IsTerminal(int(in.file.Fd())) }

// line reads an answer to a question, which only a person at a terminal is asked.
func (p *program) line(question string) (string, error) {
	if p.stdin.terminal() {
		fmt.Fprint(p.stderr, question+": ")
	}
	text, err := p.stdin.reader.ReadString('\n')
	if err != nil && text == "" {
		if errors.Is(err, io.EOF) {
			err = errors.New("the standard input ended")
		}
		return "", fmt.Errorf("%s: %w", question, err)
	}
	return strings.TrimRight(text, "\r\n"), nil
}

// secret is line for what must not be seen.
func (p *program) secret(question string) (string, error) {
	if !p.stdin.terminal() {
		return p.line(question)
	}
	fmt.Fprint(p.stderr, question+": ")
	text, err := term.ReadPassword(int(p.stdin.file.Fd()))
	fmt.Fprintln(p.stderr)
	return string(text), err
}

// confirm asks whether to go on. Where nobody can be asked, --yes has to say so.
func (p *program) confirm(question string, yes bool) error {
	if yes {
		return nil
	}
	if !p.stdin.terminal() {
		return errors.New("nobody can be asked whether to go on: give --yes")
	}
	answer, err := p.line(question + " [y/N]")
	if err == nil && !strings.EqualFold(answer, "y") && !strings.EqualFold(answer, "yes") {
		err = errors.New("nothing was done")
	}
	return err
}

// passwordSettings say where a password comes from, which is never the command line.
type passwordSettings struct {
	PasswordFile string `placeholder:"FILE" help:"File with the password. By default it is asked for; where there is no terminal it is the first line of the standard input."`
}

func (s passwordSettings) read(p *program) (string, error) {
	if s.PasswordFile == "" {
		return p.secret("Password")
	}
	content, err := os.ReadFile(s.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("the password can't be read: %w", err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

// choose reads a new password, twice from a person at a terminal.
func (s passwordSettings) choose(p *program) (string, error) {
	first, err := s.read(p)
	if err != nil || s.PasswordFile != "" || !p.stdin.terminal() {
		return first, err
	}
	second, err := p.secret("The same again")
	if err == nil && first != second {
		err = errors.New("the two passwords differ")
	}
	return first, err
}
