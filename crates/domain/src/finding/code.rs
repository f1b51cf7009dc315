//! The stable codes of findings.
//!
//! Owner: `domain`. A code is part of the contract with portals and scripts: it is never renamed and
//! never reused. Each has a page in `crates/proto/errors/`, which a test of the validation crate demands.
//! The severity here is the usual one; a policy may make a single finding milder or stricter.
//! Reading an unknown code fails with [`UnknownCode`] and nothing else can fail.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Severity;

macro_rules! codes {
    ($( $(#[$doc:meta])* $variant:ident = $text:literal, $severity:ident; )*) => {
        /// What a finding is about, as a stable word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code {
            $( $(#[$doc])* #[serde(rename = $text)] $variant, )*
        }

        impl Code {
            /// Every code, in the order of the catalogue.
            pub const ALL: &'static [Code] = &[ $( Code::$variant, )* ];

            /// The code as it is written outside, such as `SRC_PRIVATE`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Code::$variant => $text, )* }
            }

            /// The usual severity of this code.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $( Code::$variant => Severity::$severity, )* }
            }
        }

        impl FromStr for Code {
            type Err = UnknownCode;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $( $text => Ok(Code::$variant), )*
                    _ => Err(UnknownCode),
                }
            }
        }
    };
}

codes! {
    /// No source was given.
    SrcEmpty = "SRC_EMPTY", Error;
    /// A source cannot be read.
    SrcSyntax = "SRC_SYNTAX", Error;
    /// A number in a source starts with a zero: octal or decimal?
    SrcLeadingZero = "SRC_LEADING_ZERO", Error;
    /// A source is abbreviated, hexadecimal or a bare integer.
    SrcShorthand = "SRC_SHORTHAND", Error;
    /// A source holds a character outside ASCII.
    SrcUnicode = "SRC_UNICODE", Error;
    /// A source names the interface of one computer.
    SrcZoneId = "SRC_ZONE_ID", Error;
    /// A network has bits set behind its prefix: a host or a network?
    SrcHostBits = "SRC_HOST_BITS", Error;
    /// A range was turned into networks.
    SrcRangeConverted = "SRC_RANGE_CONVERTED", Info;
    /// A range ends before it starts.
    SrcRangeReversed = "SRC_RANGE_REVERSED", Error;
    /// A `*` was turned into a network.
    SrcWildcard = "SRC_WILDCARD", Warning;
    /// A mask was turned into a prefix length.
    SrcNetmask = "SRC_NETMASK", Warning;
    /// A private address, never seen outside its own network.
    SrcPrivate = "SRC_PRIVATE", Error;
    /// An address shared behind a provider's translation, or of an overlay network.
    SrcCgnat = "SRC_CGNAT", Error;
    /// A loopback or link-local address.
    SrcLocal = "SRC_LOCAL", Error;
    /// An address of the documentation ranges, copied from an example.
    SrcDocumentation = "SRC_DOCUMENTATION", Error;
    /// A multicast, broadcast or reserved address.
    SrcMulticastReserved = "SRC_MULTICAST_RESERVED", Error;
    /// Another row of the special-purpose registries.
    SrcSpecialPurpose = "SRC_SPECIAL_PURPOSE", Error;
    /// An IPv6 address that nobody was given.
    SrcV6Unallocated = "SRC_V6_UNALLOCATED", Error;
    /// An IPv6 address that wraps an IPv4 address.
    SrcEmbeddedV4 = "SRC_EMBEDDED_V4", Error;
    /// A network that covers addresses which cannot be a source.
    SrcContainsSpecial = "SRC_CONTAINS_SPECIAL", Error;
    /// A source is the shared egress of the vendor's own proxy or VPN.
    SrcProxy = "SRC_PROXY", Error;
    /// A source lies on the hosted side.
    SrcOwnNetwork = "SRC_OWN_NETWORK", Warning;
    /// A source belongs to a cloud, delivery network or VPN that many customers share.
    SrcSharedEgress = "SRC_SHARED_EGRESS", Warning;
    /// The whole Internet.
    SrcAny = "SRC_ANY", Error;
    /// A network wider than the policy allows.
    SrcTooWide = "SRC_TOO_WIDE", Error;
    /// A wide network, still allowed.
    SrcWide = "SRC_WIDE", Warning;
    /// The requester's own address is not among the sources.
    SrcNotRequester = "SRC_NOT_REQUESTER", Info;
    /// A source appears twice.
    SrcDuplicate = "SRC_DUPLICATE", Info;
    /// A source lies inside another one.
    SrcCovered = "SRC_COVERED", Info;
    /// Fewer networks cover exactly the same addresses.
    SrcAggregatable = "SRC_AGGREGATABLE", Info;
    /// More sources, or more text, than one request may hold.
    SrcTooMany = "SRC_TOO_MANY", Error;

    /// No destination was given.
    DstEmpty = "DST_EMPTY", Error;
    /// More destinations than one request may hold.
    DstTooMany = "DST_TOO_MANY", Error;
    /// A destination appears twice.
    DstDuplicate = "DST_DUPLICATE", Info;
    /// A destination address that no server can have.
    DstUnusable = "DST_UNUSABLE", Error;
    /// A destination that is not among the known hosted servers.
    DstUnknown = "DST_UNKNOWN", Warning;
    /// A hosted server that runs another product than the request is about.
    DstOtherProduct = "DST_OTHER_PRODUCT", Warning;
    /// A destination that this institution may not ask for.
    DstNotPermitted = "DST_NOT_PERMITTED", Error;
    /// A destination that is neither an address nor a host name.
    DstNameSyntax = "DST_NAME_SYNTAX", Error;
    /// A host name that mixes alphabets that look alike.
    DstIdnaConfusable = "DST_IDNA_CONFUSABLE", Warning;
    /// A destination was rewritten to its canonical form.
    DstNormalised = "DST_NORMALISED", Info;
    /// A host name with a `*`.
    DstWildcard = "DST_WILDCARD", Error;
    /// A host name that only resolves inside a private network.
    DstPrivateName = "DST_PRIVATE_NAME", Error;
    /// A host name without an address.
    DstNxdomain = "DST_NXDOMAIN", Error;
    /// A host name that could not be looked up.
    DstUnresolved = "DST_UNRESOLVED", Warning;
    /// A destination that lies, or leads, outside the hosted networks.
    DstOutside = "DST_OUTSIDE", Error;
    /// A host name that resolves partly outside the hosted networks.
    DstMixed = "DST_MIXED", Warning;
    /// A host name whose addresses have changed.
    DstDrift = "DST_DRIFT", Warning;
    /// Sources and destination have no address family in common.
    DstFamily = "DST_FAMILY", Error;

    /// No service was given.
    PortEmpty = "PORT_EMPTY", Error;
    /// More services than one request may hold.
    PortTooMany = "PORT_TOO_MANY", Error;
    /// A service appears twice or lies inside another one.
    PortDuplicate = "PORT_DUPLICATE", Info;
    /// A service cannot be read.
    PortSyntax = "PORT_SYNTAX", Error;
    /// A port is 0 or above 65535, or a range is reversed.
    PortBounds = "PORT_BOUNDS", Error;
    /// A service name was turned into protocol and port.
    PortServiceName = "PORT_SERVICE_NAME", Info;
    /// A port that attackers look for.
    PortSensitive = "PORT_SENSITIVE", Warning;
    /// A port that the policy never opens.
    PortForbidden = "PORT_FORBIDDEN", Error;
    /// Many ports at once.
    PortWide = "PORT_WIDE", Warning;
    /// A port that is not among the ports of the product.
    PortUnusual = "PORT_UNUSUAL", Info;
    /// A port without a protocol.
    ProtoMissing = "PROTO_MISSING", Error;
    /// A port with a protocol that has none.
    ProtoNoPorts = "PROTO_NO_PORTS", Error;

    /// No word on how long.
    TimeMissing = "TIME_MISSING", Error;
    /// An end that cannot be read.
    TimeSyntax = "TIME_SYNTAX", Error;
    /// An end that lies in the past.
    TimePast = "TIME_PAST", Error;
    /// A time without a zone.
    TimeNoZone = "TIME_NO_ZONE", Error;
    /// An end that is not after the start.
    TimeOrder = "TIME_ORDER", Error;
    /// Access shorter than the least that can be carried out.
    TimeTooShort = "TIME_TOO_SHORT", Error;
    /// Temporary access longer than the policy allows.
    TimeTooLong = "TIME_TOO_LONG", Error;
    /// A start that has passed.
    TimeStartPast = "TIME_START_PAST", Info;
    /// A start further away than the policy allows.
    TimeStartTooFar = "TIME_START_TOO_FAR", Error;
    /// Access without an end.
    PermanentReason = "PERMANENT_REASON", Warning;

    /// An emergency without its reason.
    EmergencyReasonMissing = "EMERGENCY_REASON_MISSING", Error;
    /// No word on why the access is needed.
    JustificationMissing = "JUSTIFICATION_MISSING", Error;
    /// Nobody to ask.
    ContactMissing = "CONTACT_MISSING", Error;
    /// A mail address that is none.
    ContactSyntax = "CONTACT_SYNTAX", Error;
    /// No product, and not marked cross-product.
    ProductMissing = "PRODUCT_MISSING", Error;
    /// A product that the catalogue does not know.
    ProductUnknown = "PRODUCT_UNKNOWN", Error;
    /// A product that does not run where the access leads.
    ProductDirection = "PRODUCT_DIRECTION", Warning;

    /// Nothing of it is open yet.
    RuleNew = "RULE_NEW", Info;
    /// Live grants already cover all of it.
    RuleRedundant = "RULE_REDUNDANT", Info;
    /// It covers narrower live grants.
    RuleGeneralises = "RULE_GENERALISES", Warning;
    /// Live grants cover a part of it.
    RuleCorrelated = "RULE_CORRELATED", Info;
    /// A deny policy wins over it.
    RuleShadowed = "RULE_SHADOWED", Error;
    /// More device rules than the quota.
    RuleQuota = "RULE_QUOTA", Warning;
    /// Too much work to compare it with what is already open.
    RuleUndecided = "RULE_UNDECIDED", Info;
}

impl Code {
    /// Where the gateway serves the page that explains this code: `/errors/SRC_PRIVATE`.
    #[must_use]
    pub fn page(self) -> String {
        format!("/errors/{}", self.as_str())
    }
}

/// The text is no code of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a finding code")]
pub struct UnknownCode;

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
