//! Reading `pvcheck.toml`.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use super::by_table::by_table;
use super::error::ConfigError;
use super::tables::Config;
use super::validate::faults;
use crate::digest::sha256;

/// The longest configuration: a thousand times one with a hundred services and routes.
const LIMIT_BYTES: u64 = 16 << 20;

impl Config {
    /// Reads a file of at most 16 MiB.
    ///
    /// # Errors
    /// If the file cannot be read, is not TOML, has unknown or wrong fields (with line and column), or contradicts itself.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text =
            read_bounded(path).map_err(|reason| ConfigError::Unreadable { path: path.to_owned(), reason })?;
        Self::of_file(path, &text)
    }

    /// Reads the text of a file that the caller has read; relative paths in it are relative to the file's folder.
    ///
    /// # Errors
    /// As [`Config::parse`].
    pub fn of_file(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let mut config = Self::parse(&path.display().to_string(), text)?;
        path.parent().unwrap_or(Path::new("")).clone_into(&mut config.folder);
        Ok(config)
    }

    /// Reads a text; `file` is its name in errors.
    ///
    /// # Errors
    /// If the text is not TOML, has unknown or wrong fields (with line and column), or contradicts itself.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|e| ConfigError::syntax(file, text, &e))?;
        if let Some(fault) = faults(&config).into_iter().next() {
            return Err(ConfigError::Meaning { file: file.to_owned(), fault });
        }
        config.digest = sha256(text);
        text.clone_into(&mut config.text);
        let name = Path::new(file).file_name().unwrap_or(file.as_ref());
        config.file = name.to_string_lossy().into_owned();
        Ok(config)
    }

    /// As [`Config::of_file`], with everything that is wrong: every error of syntax; where there is none, the first of each
    /// table; where there is none either, every contradiction.
    ///
    /// # Errors
    /// As [`Config::parse`]; the list is never empty, and in the order of the lines.
    pub fn of_file_with_all_errors(path: &Path, text: &str) -> Result<Self, Vec<ConfigError>> {
        let file = path.display().to_string();
        let first = match Self::of_file(path, text) {
            Ok(config) => return Ok(config),
            Err(first) => first,
        };
        let mut all: Vec<_> = match toml::from_str::<Self>(text) {
            Ok(config) => {
                let meaning = |fault| ConfigError::Meaning { file: file.clone(), fault };
                faults(&config).into_iter().map(meaning).collect()
            }
            Err(_) => by_table::<Self>(text).iter().map(|e| ConfigError::syntax(&file, text, e)).collect(),
        };
        if all.is_empty() {
            all.push(first);
        }
        Err(all)
    }

    /// The name of the file that it was read from, without its folder.
    pub(crate) fn file_name(&self) -> &str {
        &self.file
    }

    /// The text that it was read from.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The same configuration as what was read from a text of this digest.
    pub(crate) fn with_digest(self, digest: &str) -> Self {
        Self { digest: digest.to_owned(), ..self }
    }
}

/// The text of a file of at most 16 MiB, or why there is none.
pub(super) fn read_bounded(path: &Path) -> Result<String, String> {
    let (mut bytes, file) = (Vec::new(), File::open(path).map_err(|e| e.to_string())?);
    file.take(LIMIT_BYTES + 1).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    if LIMIT_BYTES < bytes.len() as u64 {
        return Err(format!("it has more than {} MiB", LIMIT_BYTES >> 20));
    }
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.0/16\"\n";

    fn refused(text: &str) -> String {
        let error = Config::parse("pvcheck.toml", text).unwrap_err().to_string();
        assert!(!error.contains('\n'), "more than one line: {error}");
        error
    }

    #[test]
    fn errors_name_the_place() {
        assert!(refused("[overlay]\nname = \"x\n").starts_with("pvcheck.toml:2:"));
        let unknown = refused(&format!("{GOOD}\n[[service]]\nname = \"a\"\nreplica = 1\n"));
        assert!(unknown.starts_with("pvcheck.toml:7:1: ") && unknown.contains("replica"), "{unknown}");
        let bits = refused("[overlay]\nname = \"proxy\"\nsubnet = \"10.10.0.7/16\"\n");
        assert!(bits.starts_with("pvcheck.toml:3:10: ") && bits.contains("10.10.0.0/16"), "{bits}");
        let url = refused(&format!("{GOOD}[[route]]\nname = \"a\"\nurl = \"ftp://x/\"\n"));
        assert!(url.starts_with("pvcheck.toml:6:7: "), "{url}");
        assert!(refused("").contains("overlay"));
    }

    #[test]
    fn a_value_of_another_type_is_told_what_may_stand_there() {
        let placed = refused(&format!("{GOOD}[[service]]\nname = \"a\"\noverlay = 3\n"));
        assert!(placed.contains("expected true, false or an overlay's name"), "{placed}");
        let table = refused("overlay = 3\n");
        assert!(table.contains("expected one [table], or several [[table]]"), "{table}");
    }

    #[test]
    fn a_route_has_one_address_or_one_for_each_node() {
        let route = |address: &str| {
            format!("{GOOD}[[route]]\nname = \"a\"\nurl = \"https://a.test/\"\naddress = {address}\n")
        };
        let read = |address: &str| {
            let specs = Config::parse("x", &route(address)).unwrap().route_specs();
            specs[0].address.as_slice().iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(read("\"192.0.2.10:443\""), ["192.0.2.10:443"]);
        let both = ["192.0.2.10:443", "192.0.2.11:443"];
        assert_eq!(read("[\"192.0.2.10:443\", \"192.0.2.11:443\"]"), both);
        let second = refused(&route("[\"192.0.2.10:443\", \"192.0.2.11\"]"));
        assert!(second.starts_with("pvcheck.toml:7:11: ") && second.contains("with a port"), "{second}");
        assert!(refused(&route("[]")).contains("leave it out"));
    }

    #[test]
    fn a_route_has_conditions_and_their_faults_have_a_place() {
        let route = |more: &str| {
            format!(
                "{GOOD}[[route]]\nname = \"a\"\nurl = \"https://a.test/\"\nexpect = [\"2xx\", 303]\n{more}"
            )
        };
        let conditions = "[route.conditions]\nwithin_ms = 800\nredirect = \"/login\"\n\
            headers = [{ name = \"vary\", contains = \"origin\" }]\n\
            body = [{ regex = 'v\\d' }, { pointer = \"/status\", equals = \"up\" }]\n\
            tls = { min_version = \"1.3\", min_days_left = 21, names = [\"a.test\"] }\n";
        let specs = Config::parse("x", &route(conditions)).unwrap().route_specs();
        let asked = &specs[0].conditions;
        assert_eq!((asked.headers.len(), asked.body.len(), asked.tls.min_days_left), (1, 2, Some(21)));
        let class: Vec<String> = specs[0].expected.iter().map(ToString::to_string).collect();
        assert_eq!(class, ["2xx", "303"]);
        for (more, place, part) in [
            ("[route.conditions]\nwithin = 1\n", "pvcheck.toml:9:1: ", "within"),
            ("[route.conditions]\nbody = [{ regex = '(' }]\n", "pvcheck.toml:9:", "not a regular expression"),
            ("[route.conditions]\nredirect = \"x\"\n", "pvcheck.toml:9:12: ", "a path that begins with /"),
            ("[route.conditions]\nwithin_ms = 10000\n", "pvcheck.toml: route `a`", "deadline_ms"),
        ] {
            let error = refused(&route(more));
            assert!(error.starts_with(place) && error.contains(part), "{error}");
        }
        let plain = route("[route.conditions]\ntls = { min_days_left = 1 }\n").replace("https:", "http:");
        assert!(refused(&plain).contains("write it with https://"));
        let no_redirect = route("[route.conditions]\nredirect = \"/x\"\n").replace(", 303", "");
        assert!(refused(&no_redirect).contains("expects no status from 300 to 399"));
        assert!(refused(&route("").replace("2xx", "2x")).starts_with("pvcheck.toml:7:"));
    }

    #[test]
    fn a_file_without_end_is_refused() {
        let error = Config::load(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(error.contains("/dev/zero: it has more than 16 MiB"), "{error}");
    }

    #[test]
    fn contradictions_are_refused() {
        let twice = format!("{GOOD}[[service]]\nname = \"a\"\n[[service]]\nname = \"a\"\n");
        assert!(refused(&twice).contains("`a` is there twice"));
        assert!(refused(&format!("{GOOD}[journal]\nfile = \"x\"\nunit = \"y\"\n")).contains("keep one"));
        let deployed = "[overlay.creation]\ndeployed = \"x\"\nunit = \"x.service\"\n";
        assert!(refused(&format!("{GOOD}{deployed}")).contains("both `deployed` and `unit`"));
        assert!(refused(&format!("{GOOD}[churn]\nimage = \"x\"\nstacks = 0\n")).contains("give 1 to 100"));
        assert!(refused(&format!("{GOOD}[canary]\nimage = \"x\"\nurl = \"nothing\"\n")).contains("[canary]"));
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once_in_the_order_of_the_lines() {
        let all = |text: &str| {
            let errors = Config::of_file_with_all_errors(Path::new("x.toml"), text).unwrap_err();
            errors.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let begin = |errors: &[String], places: &[&str]| {
            assert_eq!(errors.len(), places.len(), "{errors:?}");
            for (error, place) in errors.iter().zip(places) {
                assert!(error.starts_with(place) && !error.contains('\n'), "{place}: {error}");
            }
        };
        begin(&all("[overlay]\nname = \"x\n[[service]]\nname = y\n"), &["x.toml:2:", "x.toml:4:"]);
        let fields = "[[service]]\nname = \"a\"\nreplica = 1\n[[service]]\nnam = \"b\"\n[[service]]\nname = \"c\"\n\
            [[overlay]]\nname = \"p\"\nsubnet = \"10.10.0.7/16\"\n[tsl]\nca = \"x\"\n[churn]\nstacks = \"five\"\nimage = \"x\"\n";
        begin(
            &all(fields),
            &["x.toml:3:1: ", "x.toml:5:1: ", "x.toml:10:10: ", "x.toml:11:2: ", "x.toml:14:10: "],
        );
        let meaning = format!(
            "{GOOD}[[service]]\nname = \"a\"\n[[service]]\nname = \"a\"\noverlay = \"q\"\n[journal]\nfile = \"x\"\nunit = \"y\"\n\
             [churn]\nimage = \"Busybox\"\nstacks = 0\nrounds = 0\n"
        );
        let faults = all(&meaning);
        assert_eq!(faults.len(), 6, "{faults:?}");
        for part in [
            "overlay `q`",
            "`a` is there twice",
            "keep one",
            "image \"Busybox\"",
            "stacks is 0",
            "rounds is 0",
        ] {
            assert!(faults.iter().any(|fault| fault.contains(part)), "{part}: {faults:?}");
        }
        assert_eq!(all("").len(), 1);
        assert!(Config::of_file_with_all_errors(Path::new("x"), GOOD).is_ok());
    }

    proptest::proptest! {
        /// What one reader refuses the other refuses as well, and neither panics.
        #[test]
        fn both_readers_agree(text in "([a-z]{1,4} = [0-9\"x]{1,3}\n|\\[?\\[(overlay|service|churn|x)\\]\\]?\n|(name|subnet) = \"[a-z0-9./]{0,12}\"\n){0,8}") {
            let first = Config::parse("x.toml", &text);
            let all = Config::of_file_with_all_errors(Path::new("x.toml"), &text);
            proptest::prop_assert_eq!(first.is_ok(), all.is_ok());
            proptest::prop_assert!(all.map_or_else(|errors| !errors.is_empty(), |_| true));
        }
    }

    #[test]
    fn an_image_that_no_engine_takes_is_refused_with_its_table() {
        let canary =
            refused(&format!("{GOOD}[canary]\nimage = \"\"\nurl = \"https://{{stack}}.example/\"\n"));
        assert!(canary.contains("[canary] image \"\": it is empty"), "{canary}");
        let churn = refused(&format!("{GOOD}[churn]\nimage = \"Busybox:1\"\n"));
        assert!(churn.contains("[churn] image") && churn.contains("NAME:TAG"), "{churn}");
    }

    #[test]
    fn an_overlay_is_one_table_or_several_and_its_faults_have_a_place() {
        let several = "[[overlay]]\nname = \"a\"\nsubnet = \"10.1.0.0/16\"\n[[overlay]]\nname = \"b\"\nsubnet = \"10.2.0.0/16\"\n";
        let config = Config::parse("x", several).unwrap();
        assert_eq!(config.overlays.iter().map(|o| o.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(config.overlay().map(|o| (o.min_free, o.max_leaked)), Some((16, 0)));
        let unknown = refused(&format!("{several}subnets = 1\n"));
        assert!(unknown.starts_with("pvcheck.toml:7:1: ") && unknown.contains("subnets"), "{unknown}");
        assert!(refused(&several.replace("\"b\"", "\"a\"")).contains("[[overlay]] `a` is there twice"));
        assert!(refused("overlay = 7\n").starts_with("pvcheck.toml:1:11: "), "{}", refused("overlay = 7\n"));
    }

    #[test]
    fn a_service_is_on_an_overlay_that_the_configuration_has() {
        let service = |overlay: &str| format!("[[service]]\nname = \"s\"\noverlay = {overlay}\n");
        let placed = |overlay: &str| {
            let config = Config::parse("x", &format!("{GOOD}{}", service(overlay))).unwrap();
            config.overlay_of(&config.services[0]).map(str::to_owned)
        };
        assert_eq!((placed("true"), placed("\"proxy\"")), (Some("proxy".into()), Some("proxy".into())));
        assert_eq!(placed("false"), None);
        let elsewhere = refused(&format!("{GOOD}{}", service("\"prox\"")));
        assert!(elsewhere.contains("overlay `prox`") && elsewhere.contains("are proxy;"), "{elsewhere}");
        assert!(refused(&service("true")).contains("add an [overlay]"));
        assert!(refused(&service("7")).starts_with("pvcheck.toml:3:11: "));
    }

    #[test]
    fn the_digest_is_that_of_the_text() {
        let digest = |text: &str| Config::parse("x", text).unwrap().digest().to_owned();
        assert_eq!(digest(GOOD), digest(GOOD));
        assert_ne!(digest(GOOD), digest(&format!("{GOOD}# changed\n")));
        assert_eq!(digest(GOOD).len(), 64);
    }
}
