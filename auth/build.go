package auth

import (
	"slices"
	"strings"
)

// builder makes a rule of the words of a file. What is wrong with them goes to
// report, with the name that the part has in [[auth.rule]].
type builder struct {
	rule   rule
	report func(part, format string, args ...any)
	faulty bool
}

func (b *builder) fault(part, format string, args ...any) {
	b.faulty = true
	b.report(part, format, args...)
}

// elsewhere is what PostgreSQL knows and Portero does not.
var elsewhere = []string{"gss", "sspi", "ident", "radius", "bsd", "oauth"}

func (b *builder) setLink(text string) {
	switch text {
	case "local":
		b.rule.link = linkLocal
	case "host", "hostnogssenc": // nobody comes with GSSAPI encryption
		b.rule.link = linkHost
	case "hostssl":
		b.rule.link = linkHostSSL
	case "hostnossl":
		b.rule.link = linkHostNoSSL
	case "hostgssenc":
		b.fault("type", "hostgssenc is not supported here: GSSAPI encryption is not spoken")
	case "":
		b.fault("type", "must be given")
	default:
		b.fault("type", "invalid connection type %q", text)
	}
}

// isNot says whether a rule is of another type, as far as that is known.
func (b *builder) isNot(l link) bool { return b.rule.link != l && b.rule.link != linkNone }

// setNames reads a list of databases or users.
func (b *builder) setNames(to *names, part string, words []word, read func(word) (name, error)) {
	for _, w := range words {
		n, err := read(w)
		if err != nil {
			b.fault(part, "%s", err)
			continue
		}
		*to = append(*to, n)
	}
}

// setAddress returns true when a mask must follow.
func (b *builder) setAddress(w word) (needsMask bool) {
	from, needsMask, err := parseAddress(w)
	if err != nil {
		b.fault("address", "%s", err)
		return false
	}
	b.rule.from = from
	return needsMask
}

func (b *builder) setMask(text string) {
	if err := b.rule.from.setMask(text); err != nil {
		b.fault("address", "%s", err)
	}
}

// setMethod also says where a method is not to be had. It comes behind setLink.
func (b *builder) setMethod(text string) {
	m, known := methods[text]
	switch {
	case text == "":
		b.fault("method", "must be given")
	case text == "ident" && b.rule.link == linkLocal:
		b.fault("method", "authentication method \"ident\" is not supported here: use peer")
	case slices.Contains(elsewhere, text):
		b.fault("method", "authentication method %q is not supported here", text)
	case !known:
		b.fault("method", "invalid authentication method %q", text)
	case m == methodPeer && b.isNot(linkLocal):
		b.fault("method", "peer authentication is only supported on local sockets")
	case m == methodCert && b.isNot(linkHostSSL):
		b.fault("method", "cert authentication is only supported on hostssl connections")
	}
	b.setKnownMethod(m)
}

func (b *builder) setKnownMethod(m method) {
	b.rule.method = m
	switch m {
	case methodLDAP:
		b.rule.directory = newDirectory()
	case methodPAM:
		b.rule.service = "postgresql"
		if !withPAM {
			b.fault("method", "authentication method \"pam\" is not in this portero, which was built without C: go build -tags pam has it")
		}
	}
}

// setOptions takes words of the form name=value over, and comes behind setMethod.
// part is where they stand.
func (b *builder) setOptions(part string, options []string) {
	for _, text := range options {
		option, value, ok := strings.Cut(text, "=")
		if !ok {
			b.fault(part, "authentication option not in name=value format: %s", text)
			continue
		}
		b.setOption(part, option, value)
	}
	if b.rule.directory == nil || b.faulty {
		return
	}
	if err := b.rule.directory.check(); err != nil {
		b.fault(part, "%s", err)
	}
}

// setOption takes one over.
func (b *builder) setOption(part, option, value string) {
	if set := ldapOptions[option]; set != nil {
		b.setLDAP(part, option, value, set)
		return
	}
	switch option {
	case "pamservice", "pam_use_hostname":
		b.setPAM(part, option, value)
	case "map":
		if b.rule.method != methodPeer && b.rule.method != methodCert {
			b.fault("map", "authentication option \"map\" is only valid for authentication methods peer and cert")
		}
		b.rule.usermap = value
	case "clientcert":
		b.setClientCert(value)
	case "clientname":
		n, known := certNames[value]
		switch {
		case b.isNot(linkHostSSL):
			b.fault("clientname", "clientname can only be configured for \"hostssl\" rows")
		case value == "DN":
			b.fault("clientname", "clientname DN is not supported here: CN, DNS and email are")
		case !known:
			b.fault("clientname", "invalid value for clientname: %q", value)
		}
		b.rule.certName = n
	default:
		b.fault(part, "unrecognized authentication option name: %q", option)
	}
}

func (b *builder) setLDAP(part, option, value string, set func(*directory, string) error) {
	if b.rule.directory == nil {
		b.fault(part, "authentication option %q is only valid for authentication methods ldap", option)
		return
	}
	if err := set(b.rule.directory, value); err != nil {
		b.fault(part, "%s", err)
	}
}

func (b *builder) setPAM(part, option, value string) {
	switch {
	case b.rule.method != methodPAM:
		b.fault(part, "authentication option %q is only valid for authentication methods pam", option)
	case option == "pamservice":
		b.rule.service = value
	case value == "1":
		b.fault(part, "pam_use_hostname is not supported here: nobody is asked for the names of addresses")
	}
}

func (b *builder) setClientCert(value string) {
	switch {
	case b.isNot(linkHostSSL):
		b.fault("clientcert", "clientcert can only be configured for \"hostssl\" rows")
	case value == "verify-full":
		b.rule.cert = certUser
	case value == "verify-ca" && b.rule.method == methodCert:
		b.fault("clientcert", "clientcert can only be set to \"verify-full\" when using \"cert\" authentication")
	case value == "verify-ca":
		b.rule.cert = certSigned
	default:
		b.fault("clientcert", "invalid value for clientcert: %q", value)
	}
}
