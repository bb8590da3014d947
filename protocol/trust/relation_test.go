package trust

import (
	"strings"
	"testing"

	"gxcoin.money/gx/protocol/gxid"
)

const (
	alice = "LK FF3 ABL912 0WLUY 6025"
	bob   = "CH 6B5 AUM641 0ABCD 0123"
	acme  = "LK 804 BOD829 1AAAA 0000"
)

func TestRelations(t *testing.T) {
	symmetric := map[Relation]bool{SpouseOf: true, SiblingOf: true, FriendOf: true, BusinessPartnerOf: true, DirectorWith: true, WorkplaceAssociateOf: true}
	for _, r := range Relations {
		got, err := ParseRelation(string(r))
		if err != nil || got != r || r.Symmetric() != symmetric[r] || !strings.Contains(ErrRelation.Error(), string(r)) {
			t.Errorf("%s: %s, %v, symmetric %t", r, got, err, r.Symmetric())
		}
	}
	for _, s := range []string{"", "FATHER", "father_of", "COLLEAGUE_OF", "FATHER_OF "} {
		if r, err := ParseRelation(s); err != ErrRelation || r != "" {
			t.Errorf("%q: %q, %v", s, r, err)
		}
	}
}

func TestLabels(t *testing.T) {
	for _, c := range []struct {
		label        Label
		male, female Relation
	}{
		{Father, ChildOf, ChildOf},
		{Mother, ChildOf, ChildOf},
		{Child, FatherOf, MotherOf},
		{Spouse, SpouseOf, SpouseOf},
		{Sibling, SiblingOf, SiblingOf},
		{Friend, FriendOf, FriendOf},
		{BusinessPartner, BusinessPartnerOf, BusinessPartnerOf},
		{Director, DirectorWith, DirectorWith},
		{WorkplaceAssociate, WorkplaceAssociateOf, WorkplaceAssociateOf},
	} {
		male, ok := c.label.Relation(gxid.Male)
		female, okToo := c.label.Relation(gxid.Female)
		if !ok || !okToo || male != c.male || female != c.female {
			t.Errorf("%s: %s, %s", c.label, male, female)
		}
	}
	if r, ok := Label("UNCLE").Relation(gxid.Male); ok || r != "" {
		t.Error(r)
	}
}

func TestRelationshipID(t *testing.T) {
	r := Relationship{alice, SpouseOf, bob}
	if got, err := ParseID(r.ID()); err != nil || got != r || r.ID() != alice+":SPOUSE_OF:"+bob {
		t.Errorf("%q: %+v, %v", r.ID(), got, err)
	}
	if got := r.Mirror(); got != (Relationship{bob, SpouseOf, alice}) || got.Mirror() != r {
		t.Errorf("mirror %+v", got)
	}
	if _, err := gxid.Parse(acme); err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{
		"", ":", "::", alice, alice + ":SPOUSE_OF", alice + ":SPOUSE_OF:", ":SPOUSE_OF:" + bob, alice + ":MARRIED:" + bob, alice + ":SPOUSE_OF:" + alice,
		alice + ":SPOUSE_OF:" + bob + ":", alice + ":SPOUSE_OF:acme", alice + ":BUSINESS_PARTNER_OF:" + acme, alice + ":spouse_of:" + bob,
	} {
		if got, err := ParseID(s); err != ErrID || got != (Relationship{}) {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{alice + ":SPOUSE_OF:" + bob, alice + ":SPOUSE_OF:" + alice, "a:b:c", "::::"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseID(s); err == nil && r.ID() != s {
			t.Errorf("%q reads as %q", s, r.ID())
		}
	})
}
