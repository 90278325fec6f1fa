use std::path::PathBuf;
use std::str::FromStr;

use super::catalogue::Release;

/// What somebody calls an image by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageReference {
    /// A release of the catalogue, such as `debian-13`.
    Release(Release),
    /// A place on the network.
    Url(String),
    /// A file on this machine: whatever is neither.
    File(PathBuf),
}

/// Text that is no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an image is {}, https://… or a file", Release::names())]
pub struct InvalidImage;

impl FromStr for ImageReference {
    type Err = InvalidImage;

    fn from_str(given: &str) -> Result<Self, InvalidImage> {
        if given.is_empty() {
            return Err(InvalidImage);
        }
        let named = Release::ALL.into_iter().find(|it| it.name() == given);
        Ok(match named {
            Some(release) => Self::Release(release),
            None if given.starts_with("https://") || given.starts_with("http://") => {
                Self::Url(given.to_owned())
            }
            None => Self::File(given.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_a_release_an_address_or_a_file() {
        for release in Release::ALL {
            assert_eq!(release.name().parse(), Ok(ImageReference::Release(release)));
        }
        let url = "https://mirror.example/disk.qcow2";
        assert_eq!(url.parse(), Ok(ImageReference::Url(url.to_owned())));
        for file in ["disk.qcow2", "./debian-13", "debian-1"] {
            assert_eq!(file.parse(), Ok(ImageReference::File(file.into())));
        }
        let empty = "".parse::<ImageReference>();
        assert!(empty.is_err_and(|error| error.to_string().contains("debian-13")));
    }
}
