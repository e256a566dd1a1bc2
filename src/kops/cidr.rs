//! Address ranges as kops reads them. Knows no networks.

use core::net::IpAddr;

/// An address range without bits outside of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cidr {
    address: u128,
    prefix: u32,
    v4: bool,
}

/// Why a text is not an address range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoCidr {
    /// Not of the form address/prefix.
    Form,
    /// Bits outside of the prefix are set; the range that is meant.
    OutsideBits(String),
}

impl std::fmt::Display for NoCidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoCidr::Form => f.write_str("it must be an address, `/` and the length of the prefix"),
            NoCidr::OutsideBits(_) => f.write_str("it has bits outside of its prefix"),
        }
    }
}

impl NoCidr {
    /// Whether it is not even of the form: Go's `ParseCIDR` refuses it too.
    pub(super) fn is_form(&self) -> bool {
        *self == NoCidr::Form
    }

    /// What to write.
    pub(super) fn hint(&self) -> String {
        match self {
            NoCidr::Form => "such as 10.0.0.0/16".into(),
            NoCidr::OutsideBits(meant) => format!("did you mean {meant}?"),
        }
    }
}

impl Cidr {
    pub(super) fn parse(text: &str) -> Result<Cidr, NoCidr> {
        let (address, prefix) = text.split_once('/').ok_or(NoCidr::Form)?;
        let address: IpAddr = address.parse().map_err(|_| NoCidr::Form)?;
        let prefix: u32 = prefix.parse().map_err(|_| NoCidr::Form)?;
        let (bits, width, v4) = match address {
            IpAddr::V4(a) => (u128::from(u32::from(a)), 32, true),
            IpAddr::V6(a) => (u128::from(a), 128, false),
        };
        if prefix > width {
            return Err(NoCidr::Form);
        }
        let mask = mask(prefix, width);
        if bits & !mask != 0 {
            let network = bits & mask;
            let meant = if v4 {
                IpAddr::from(u32::try_from(network).unwrap_or_default().to_be_bytes())
            } else {
                IpAddr::from(network.to_be_bytes())
            };
            return Err(NoCidr::OutsideBits(format!("{meant}/{prefix}")));
        }
        Ok(Cidr {
            address: bits,
            prefix,
            v4,
        })
    }

    /// Whether the two have an address in common.
    pub(super) fn overlaps(self, other: Cidr) -> bool {
        self.contains(other) || other.contains(self)
    }

    /// Whether the address is in this range.
    pub(super) fn holds(self, address: IpAddr) -> bool {
        let (address, prefix, v4) = match address {
            IpAddr::V4(a) => (u128::from(u32::from(a)), 32, true),
            IpAddr::V6(a) => (u128::from(a), 128, false),
        };
        self.contains(Cidr {
            address,
            prefix,
            v4,
        })
    }

    /// Whether it is a range of IPv6.
    pub(super) fn is_v6(self) -> bool {
        !self.v4
    }

    /// Whether all of `other` is in this range.
    pub(super) fn contains(self, other: Cidr) -> bool {
        let width = if self.v4 { 32 } else { 128 };
        self.v4 == other.v4
            && other.prefix >= self.prefix
            && other.address & mask(self.prefix, width) == self.address
    }
}

/// The bits of a prefix, in the lowest `width` bits.
fn mask(prefix: u32, width: u32) -> u128 {
    let all = u128::MAX >> (128 - width);
    let host = u128::MAX
        .checked_shr(128 - width.saturating_sub(prefix))
        .unwrap_or(0);
    all & !host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_have_no_bits_outside_of_their_prefix() {
        let read = |text| {
            Cidr::parse(text).map_or_else(|e| format!("{e}; {}", e.hint()), |_| "fine".to_owned())
        };
        for fine in [
            "10.0.0.0/16",
            "0.0.0.0/0",
            "::/0",
            "10.1.2.3/32",
            "2001:db8::/32",
        ] {
            assert_eq!(read(fine), "fine", "{fine}");
        }
        assert_eq!(
            read("100.90.0.0/10"),
            "it has bits outside of its prefix; did you mean 100.64.0.0/10?"
        );
        for wrong in ["10.0.0.0", "10.0.0/8", "10.0.0.0/33", "x/8", "10.0.0.0/-1"] {
            assert!(read(wrong).starts_with("it must be an address"), "{wrong}");
        }
    }

    #[test]
    fn a_range_contains_its_parts() {
        let range = |text| Cidr::parse(text).unwrap();
        let network = range("10.0.0.0/16");
        assert!(network.contains(range("10.0.255.0/24")));
        assert!(network.contains(network));
        assert!(!network.contains(range("10.1.0.0/24")));
        assert!(!network.contains(range("10.0.0.0/8")));
        assert!(range("::/0").contains(range("2001:db8::/32")));
        assert!(!range("::/0").contains(network));
        assert!(network.overlaps(range("10.0.0.0/8")) && range("10.0.0.0/8").overlaps(network));
        assert!(!network.overlaps(range("10.1.0.0/16")) && !network.overlaps(range("::/0")));
        assert!(network.holds("10.0.3.4".parse().unwrap()));
        assert!(
            !network.holds("10.1.0.0".parse().unwrap()) && !network.holds("::1".parse().unwrap())
        );
    }
}
