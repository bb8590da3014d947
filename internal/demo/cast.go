package demo

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"math/big"
	"strings"
)

// Person is somebody who is going to register.
type Person struct {
	First, Last string
	Country     string // of nationality
	Born        string
	Gender      string
	Email       string
	Password    string
	Document    string // number of the national id
}

// Name returns the whole name.
func (p Person) Name() string { return p.First + " " + p.Last }

// cast are the people of the story; who comes later is named like them.
var cast = []Person{
	{First: "Nora", Last: "Keller", Country: "CH", Born: "1988-03-14", Gender: "FEMALE"},
	{First: "Nimal", Last: "Perera", Country: "LK", Born: "1975-11-02", Gender: "MALE"},
	{First: "Kofi", Last: "Mensah", Country: "GH", Born: "1992-07-21", Gender: "MALE"},
	{First: "Beatriz", Last: "Souza", Country: "BR", Born: "1999-01-30", Gender: "FEMALE"},
	{First: "Priya", Last: "Sharma", Country: "IN", Born: "1983-09-09", Gender: "FEMALE"},
	{First: "Haruto", Last: "Sato", Country: "JP", Born: "1969-05-17", Gender: "MALE"},
	{First: "Jürgen", Last: "Weiß", Country: "DE", Born: "1958-12-05", Gender: "MALE"},
	{First: "Wanjiru", Last: "Kamau", Country: "KE", Born: "2001-04-26", Gender: "FEMALE"},
	{First: "Luca", Last: "Bernasconi", Country: "CH", Born: "1979-08-08", Gender: "MALE"},
	{First: "Ishara", Last: "Fernando", Country: "LK", Born: "1995-02-28", Gender: "FEMALE"},
	{First: "Ama", Last: "Owusu", Country: "GH", Born: "1986-10-12", Gender: "FEMALE"},
	{First: "João", Last: "Lima", Country: "BR", Born: "1972-06-03", Gender: "MALE"},
	{First: "Arjun", Last: "Nair", Country: "IN", Born: "1990-12-19", Gender: "MALE"},
	{First: "Yuki", Last: "Tanaka", Country: "JP", Born: "2004-02-29", Gender: "FEMALE"},
	{First: "Anja", Last: "Köhler", Country: "DE", Born: "1981-01-11", Gender: "FEMALE"},
	{First: "Otieno", Last: "Odhiambo", Country: "KE", Born: "1966-09-24", Gender: "MALE"},
	{First: "Élodie", Last: "Favre", Country: "CH", Born: "1997-05-06", Gender: "FEMALE"},
	{First: "Kavindi", Last: "Silva", Country: "LK", Born: "2003-03-03", Gender: "FEMALE"},
	{First: "Kwame", Last: "Boateng", Country: "GH", Born: "1961-11-30", Gender: "MALE"},
	{First: "Larissa", Last: "Rocha", Country: "BR", Born: "1994-08-15", Gender: "FEMALE"},
}

// People returns n people whom no system has seen yet.
func People(n int) []Person {
	run := make([]byte, 5)
	_, _ = rand.Read(run) // never fails
	tag := strings.ToLower(base32.StdEncoding.EncodeToString(run))
	out := make([]Person, n)
	for i := range out {
		p := cast[i%len(cast)]
		p.Email = fmt.Sprintf("person%d.%s@example.org", i+1, tag)
		p.Password = "Demo1-" + rand.Text()
		number, _ := rand.Int(rand.Reader, big.NewInt(1e15)) // never fails
		p.Document = fmt.Sprintf("%015d", number)
		out[i] = p
	}
	return out
}
