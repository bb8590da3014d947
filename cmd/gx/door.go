package main

import (
	"strconv"
	"strings"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/config"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/ratelimit"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
)

// doorSettings say how services deal with those who use them.
type doorSettings struct {
	AllowedOrigins   httpkit.Origins `placeholder:"ORIGIN" help:"Origins whose pages may use the API from a browser, separated by commas, as in https://wallet.example. None by default."`
	TrustedProxies   networks        `placeholder:"NETWORK" default:"127.0.0.0/8,::1/128" help:"Networks of the proxies whose X-Forwarded-For is believed; this machine by default."`
	UnlimitedClients networks        `placeholder:"NETWORK" default:"127.0.0.0/8,::1/128" help:"Networks of clients to which no rate limit applies; this machine by default."`
	RateLimits       rateLimits      `placeholder:"CLASS=LIMITS" sep:";" help:"Rate limits in place of the built-in ones, separated by semicolons, as in login=5/1m,20/1h;public=off."`
	CriticalQuorum   int             `placeholder:"N" default:"1" help:"How many others have to approve what is critical; ${default} by default."`

	staffMFA bool
	redis    config.Secret
}

// networks are networks and addresses.
type networks []string

// Validate says what is wrong with one of them.
func (n networks) Validate() error {
	_, err := ratelimit.Networks(n)
	return err
}

// rateLimits change the limits of classes of requests.
type rateLimits []string

// Validate says what is wrong with one of them.
func (l rateLimits) Validate() error {
	_, err := door.DefaultLimits(l...)
	return err
}

// protect applies the settings to what services need.
func (s *process) protect(d *service.Deps, o doorSettings) (err error) {
	d.Origins, d.CriticalQuorum, d.RequireMFA = o.AllowedOrigins, o.CriticalQuorum, o.staffMFA
	if d.Limits, err = door.DefaultLimits(o.RateLimits...); err != nil {
		return err
	}
	if d.Proxies, err = ratelimit.Networks(o.TrustedProxies); err != nil {
		return err
	}
	if d.Unlimited, err = ratelimit.Networks(o.UnlimitedClients); err != nil || o.redis == "" {
		return err
	}
	shared, err := ratelimit.NewRedis(o.redis.Reveal(), clock.System)
	if err != nil {
		return err
	}
	s.group.OnStop(stagePools, "connection to Redis", func() error { shared.Close(); return nil })
	d.Limiter = ratelimit.NewFallback(shared, ratelimit.NewMemory(clock.System), s.log)
	return nil
}

// arguments give the same settings to a child.
func (s doorSettings) arguments() []string {
	args := []string{"--trusted-proxies=" + strings.Join(s.TrustedProxies, ","), "--unlimited-clients=" + strings.Join(s.UnlimitedClients, ","),
		"--critical-quorum=" + strconv.Itoa(s.CriticalQuorum), "--staff-mfa=" + strconv.FormatBool(s.staffMFA)}
	if len(s.AllowedOrigins) > 0 {
		args = append(args, "--allowed-origins="+strings.Join(s.AllowedOrigins, ","))
	}
	if len(s.RateLimits) > 0 {
		args = append(args, "--rate-limits="+strings.Join(s.RateLimits, ";"))
	}
	return args
}
