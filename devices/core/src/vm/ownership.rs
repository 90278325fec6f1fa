//! Whose domain it is, and whether it is still the one that was defined.

use roxmltree::Document;

/// The namespace of what we write into a domain's metadata, which libvirt keeps and hands back.
pub const NAMESPACE: &str = "https://fleet.nationtech.io/devices/1";

/// Whose domain it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Somebody else's: it bears the name of one of ours by chance, and is none of our business.
    Foreign,
    /// One that we defined.
    Ours {
        /// The fingerprint of what was defined, as
        /// [`DomainXmlParams::fingerprint`](super::DomainXmlParams::fingerprint) has it. Empty where
        /// somebody removed it, which no definition equals.
        fingerprint: String,
    },
}

/// Whose domain it is that libvirt describes so. What cannot be read is somebody else's.
pub fn ownership(existing: &str) -> Ownership {
    let Ok(document) = Document::parse(existing) else {
        return Ownership::Foreign;
    };
    // Whichever prefix the namespace goes by: libvirt may write it another way than it was given.
    let domain = document.root_element();
    let metadata = domain.children().filter(|it| it.has_tag_name("metadata"));
    let mut inside = metadata.flat_map(|it| it.children());
    match inside.find(|it| it.has_tag_name((NAMESPACE, "device"))) {
        Some(device) if domain.has_tag_name("domain") => Ownership::Ours {
            fingerprint: device
                .attribute("fingerprint")
                .unwrap_or_default()
                .to_owned(),
        },
        _ => Ownership::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ours(fingerprint: &str) -> Ownership {
        Ownership::Ours {
            fingerprint: fingerprint.to_owned(),
        }
    }

    fn with(metadata: &str) -> String {
        format!("<domain type='kvm' id='3'>\n  <name>a</name>\n  {metadata}\n</domain>\n")
    }

    #[test]
    fn a_domain_is_ours_however_libvirt_writes_the_metadata() {
        for metadata in [
            "<metadata><fleet:device xmlns:fleet='https://fleet.nationtech.io/devices/1' fingerprint='f1'/></metadata>",
            "<metadata>\n<x:device fingerprint=\"f1\" xmlns:x=\"https://fleet.nationtech.io/devices/1\"></x:device></metadata>",
            "<metadata><device xmlns='https://fleet.nationtech.io/devices/1' fingerprint='f1'/></metadata>",
            "<metadata xmlns:y='https://fleet.nationtech.io/devices/1'><other><a/></other><y:device fingerprint='f1'/></metadata>",
        ] {
            assert_eq!(ownership(&with(metadata)), ours("f1"), "{metadata}");
        }
    }

    #[test]
    fn a_domain_without_our_element_is_foreign() {
        for metadata in [
            "",
            "<metadata/>",
            "<metadata><fleet:device xmlns:fleet='https://example.com/' fingerprint='f1'/></metadata>",
            "<metadata><fleet:device fingerprint='f1'/></metadata>",
            "<metadata><fleet:other xmlns:fleet='https://fleet.nationtech.io/devices/1'/></metadata>",
            "<description>&lt;metadata&gt; https://fleet.nationtech.io/devices/1</description>",
            "<!-- <metadata><device xmlns='https://fleet.nationtech.io/devices/1'/></metadata> -->",
            "<x><metadata><device xmlns='https://fleet.nationtech.io/devices/1'/></metadata></x>",
            "</name><metadata><device xmlns='https://fleet.nationtech.io/devices/1'/></metadata>",
        ] {
            assert_eq!(ownership(&with(metadata)), Ownership::Foreign, "{metadata}");
        }
        for document in ["", "garbage", "<domain><metadata><device xmlns='https://fl"] {
            assert_eq!(ownership(document), Ownership::Foreign, "{document}");
        }
    }

    #[test]
    fn a_removed_fingerprint_equals_none() {
        let metadata =
            "<metadata><device xmlns='https://fleet.nationtech.io/devices/1'/></metadata>";
        assert_eq!(ownership(&with(metadata)), ours(""));
    }

    proptest! {
        #[test]
        fn no_document_is_too_strange(text in any::<String>()) {
            prop_assert_eq!(ownership(&with(&text)), Ownership::Foreign);
        }
    }
}
