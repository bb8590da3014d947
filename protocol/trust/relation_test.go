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

// Whoever is asked sees the other end, whichever of the two asked for it.
func TestSeen(t *testing.T) {
	for _, id := range []string{alice, bob} {
		if _, err := gxid.Parse(id); err != nil {
			t.Fatal(err)
		}
	}
	parent := func(id string) Label {
		if p, _ := gxid.Parse(id); p.Gender == gxid.Female {
			return Mother
		}
		return Father
	}
	if parent(alice) == parent(bob) {
		t.Fatal("one of them must be a woman, the other a man")
	}
	for _, c := range []struct {
		relation        Relation
		subject, object Label // what the subject sees, and the object
	}{
		{ChildOf, parent(bob), Child},
		{FatherOf, Child, parent(alice)},
		{MotherOf, Child, parent(alice)},
		{ParentOf, Child, parent(alice)},
		{SpouseOf, Spouse, Spouse},
		{SiblingOf, Sibling, Sibling},
		{FriendOf, Friend, Friend},
		{BusinessPartnerOf, BusinessPartner, BusinessPartner},
		{DirectorWith, Director, Director},
		{WorkplaceAssociateOf, WorkplaceAssociate, WorkplaceAssociate},
	} {
		r := Relationship{alice, c.relation, bob}
		if s, o := r.Seen(alice), r.Seen(bob); s != c.subject || o != c.object {
			t.Errorf("%s: %s and %s, want %s and %s", c.relation, s, o, c.subject, c.object)
		}
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
