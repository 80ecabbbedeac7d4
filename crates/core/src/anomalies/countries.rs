//! How far countries lie apart at the least: what an address tells of a place is its country alone, so that only a
//! hop that no two points of two countries allow is called impossible.

/// Kilometres that are taken off a distance: outlines are rough, and so are places of addresses.
const DOUBT_KM: f64 = 150.0;
const EARTH_RADIUS_KM: f64 = 6_371.0;

/// Middle (degrees north and east) and radius (km) of a circle around each country (ISO 3166-1 alpha-2), without far
/// islands and overseas parts that have codes of their own. From Natural Earth's outlines, which are in the public domain;
/// small states by their size on the map.
#[rustfmt::skip]
const COUNTRIES: [(&str, i16, i16, u16); 225] = [
    ("AD", 43, 2, 50), ("AE", 24, 54, 300), ("AF", 34, 68, 800), ("AG", 17, -62, 50), ("AL", 41, 20, 200),
    ("AM", 40, 45, 200), ("AO", -12, 17, 900), ("AR", -37, -66, 1750), ("AT", 48, 13, 300),
    ("AU", -26, 133, 2050), ("AW", 13, -70, 50), ("AX", 60, 20, 100), ("AZ", 40, 48, 250),
    ("BA", 44, 18, 200), ("BB", 13, -60, 50), ("BD", 23, 90, 400), ("BE", 50, 4, 150), ("BF", 12, -2, 450),
    ("BG", 43, 25, 300), ("BH", 26, 51, 50), ("BI", -3, 29, 150), ("BJ", 9, 2, 350), ("BM", 32, -65, 50),
    ("BN", 5, 115, 100), ("BO", -16, -64, 850), ("BR", -13, -54, 2400), ("BS", 25, -78, 200),
    ("BT", 27, 90, 200), ("BW", -23, 24, 600), ("BY", 53, 28, 350), ("BZ", 17, -88, 200),
    ("CA", 59, -93, 2650), ("CD", -4, 23, 1250), ("CF", 5, 21, 750), ("CG", -1, 15, 600),
    ("CH", 47, 8, 200), ("CI", 7, -6, 450), ("CK", -20, -160, 900), ("CL", -36, -71, 2050),
    ("CM", 7, 14, 700), ("CN", 42, 104, 2550), ("CO", 4, -71, 950), ("CR", 10, -84, 250),
    ("CU", 21, -80, 600), ("CV", 16, -24, 250), ("CW", 12, -69, 50), ("CY", 35, 33, 150),
    ("CZ", 50, 16, 250), ("DE", 51, 10, 450), ("DJ", 12, 43, 150), ("DK", 56, 11, 200), ("DM", 15, -61, 50),
    ("DO", 19, -70, 200), ("DZ", 28, 2, 1150), ("EC", -2, -78, 400), ("EE", 59, 26, 200),
    ("EG", 26, 31, 800), ("EH", 24, -13, 600), ("ER", 15, 40, 450), ("ES", 41, -3, 600), ("ET", 8, 40, 850),
    ("FI", 65, 23, 600), ("FJ", -17, 179, 200), ("FK", -52, -59, 150), ("FM", 7, 152, 1600),
    ("FO", 62, -7, 100), ("FR", 46, 2, 600), ("GA", -1, 11, 400), ("GB", 54, -4, 500), ("GD", 12, -62, 50),
    ("GE", 42, 43, 350), ("GF", 4, -53, 300), ("GG", 49, -3, 50), ("GH", 8, -1, 400), ("GI", 36, -5, 50),
    ("GL", 72, -37, 1350), ("GM", 14, -15, 200), ("GN", 10, -11, 450), ("GP", 16, -62, 100),
    ("GQ", 2, 10, 150), ("GR", 40, 23, 400), ("GT", 16, -90, 300), ("GU", 13, 145, 50),
    ("GW", 12, -15, 200), ("GY", 5, -59, 450), ("HK", 22, 114, 50), ("HN", 15, -86, 350),
    ("HR", 45, 17, 300), ("HT", 19, -73, 200), ("HU", 48, 19, 300), ("ID", -4, 118, 2700),
    ("IE", 53, -9, 250), ("IL", 31, 35, 250), ("IM", 54, -5, 50), ("IN", 22, 83, 1650), ("IQ", 33, 44, 550),
    ("IR", 33, 54, 1150), ("IS", 65, -19, 250), ("IT", 43, 13, 650), ("JE", 49, -2, 50),
    ("JM", 18, -77, 150), ("JO", 31, 37, 300), ("JP", 38, 137, 1000), ("KE", 1, 39, 650),
    ("KG", 40, 75, 500), ("KH", 13, 105, 300), ("KI", 0, -170, 2600), ("KM", -12, 44, 150),
    ("KN", 17, -63, 50), ("KP", 40, 128, 400), ("KR", 37, 127, 250), ("KW", 29, 48, 150),
    ("KY", 20, -81, 150), ("KZ", 51, 67, 1500), ("LA", 18, 105, 550), ("LB", 34, 36, 150),
    ("LC", 14, -61, 50), ("LI", 47, 10, 50), ("LK", 8, 80, 250), ("LR", 6, -9, 300), ("LS", -30, 28, 150),
    ("LT", 55, 24, 200), ("LU", 50, 6, 50), ("LV", 56, 25, 250), ("LY", 26, 18, 1000),
    ("MA", 29, -10, 1100), ("MC", 44, 7, 50), ("MD", 47, 28, 200), ("ME", 43, 19, 100),
    ("MG", -18, 46, 850), ("MH", 9, 168, 700), ("MK", 42, 22, 150), ("ML", 17, -4, 950),
    ("MM", 19, 98, 1050), ("MN", 48, 104, 1200), ("MO", 22, 114, 50), ("MQ", 15, -61, 50),
    ("MR", 20, -10, 850), ("MT", 36, 14, 50), ("MU", -17, 60, 700), ("MV", 3, 73, 500),
    ("MW", -13, 34, 450), ("MX", 24, -103, 1700), ("MY", 6, 110, 1100), ("MZ", -18, 35, 1050),
    ("NA", -22, 18, 850), ("NC", -21, 166, 200), ("NE", 18, 8, 950), ("NG", 10, 8, 750),
    ("NI", 13, -85, 300), ("NL", 52, 6, 200), ("NO", 69, 13, 1250), ("NP", 28, 84, 450),
    ("NR", -1, 167, 50), ("NZ", -41, 171, 750), ("OM", 21, 55, 500), ("PA", 8, -80, 350),
    ("PE", -9, -73, 1100), ("PF", -16, -145, 1700), ("PG", -7, 146, 700), ("PH", 12, 122, 800),
    ("PK", 31, 69, 1000), ("PL", 52, 19, 450), ("PR", 18, -66, 100), ("PS", 32, 35, 100),
    ("PT", 40, -8, 350), ("PW", 6, 133, 500), ("PY", -23, -58, 550), ("QA", 25, 51, 100),
    ("RE", -21, 56, 50), ("RO", 45, 25, 400), ("RS", 44, 20, 300), ("RU", 68, 90, 4000),
    ("RW", -2, 30, 150), ("SA", 25, 46, 1150), ("SB", -9, 159, 400), ("SC", -6, 52, 700),
    ("SD", 15, 30, 1050), ("SE", 63, 13, 850), ("SG", 1, 104, 50), ("SI", 46, 15, 150), ("SK", 49, 20, 250),
    ("SL", 8, -12, 200), ("SM", 44, 12, 50), ("SN", 14, -15, 400), ("SO", 6, 45, 1000), ("SR", 4, -56, 300),
    ("SS", 9, 30, 700), ("ST", 1, 7, 150), ("SV", 14, -89, 150), ("SY", 35, 39, 400), ("SZ", -26, 31, 100),
    ("TC", 22, -72, 100), ("TD", 15, 16, 950), ("TG", 9, 1, 300), ("TH", 13, 100, 850), ("TJ", 38, 71, 350),
    ("TL", -9, 126, 150), ("TM", 40, 60, 650), ("TN", 34, 10, 400), ("TO", -20, -175, 400),
    ("TR", 39, 36, 850), ("TT", 10, -61, 100), ("TV", -8, 178, 500), ("TW", 24, 121, 200),
    ("TZ", -7, 35, 800), ("UA", 49, 31, 700), ("UG", 1, 32, 400), ("US", 48, -112, 3750),
    ("UY", -33, -56, 350), ("UZ", 43, 65, 750), ("VA", 42, 12, 50), ("VC", 13, -61, 100),
    ("VE", 8, -67, 800), ("VG", 18, -65, 50), ("VI", 18, -65, 100), ("VN", 16, 105, 850),
    ("VU", -16, 167, 150), ("WS", -14, -172, 150), ("XK", 43, 21, 100), ("YE", 16, 48, 600),
    ("YT", -13, 45, 50), ("ZA", -29, 25, 950), ("ZM", -13, 28, 750), ("ZW", -19, 29, 450),
];

/// The least distance between two countries in kilometres; 0 where they may touch; `None` where either is not known,
/// or they are one.
pub(super) fn least_distance_km(a: &str, b: &str) -> Option<f64> {
    let find = |code: &str| COUNTRIES.binary_search_by_key(&code, |country| country.0).ok();
    let (a, b) = (COUNTRIES[find(a)?], COUNTRIES[find(b)?]);
    if a.0 == b.0 {
        return None;
    }
    let [north_a, east_a, north_b, east_b] =
        [a.1, a.2, b.1, b.2].map(|degrees| f64::from(degrees).to_radians());
    // The haversine formula.
    let half = ((north_b - north_a) / 2.0).sin().powi(2)
        + north_a.cos() * north_b.cos() * ((east_b - east_a) / 2.0).sin().powi(2);
    let between = 2.0 * EARTH_RADIUS_KM * half.sqrt().min(1.0).asin();
    Some((between - f64::from(a.3) - f64::from(b.3) - DOUBT_KM).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_stand_in_the_order_that_is_searched() {
        assert!(COUNTRIES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn neighbours_may_touch_and_oceans_do_not_vanish() {
        for (a, b) in [("DE", "FR"), ("US", "CA"), ("US", "MX"), ("GB", "IE"), ("RU", "FI"), ("NL", "BE")] {
            assert_eq!(least_distance_km(a, b), Some(0.0), "{a} {b}");
        }
        for (a, b, least, most) in
            [("DE", "BR", 4_500.0, 7_500.0), ("GB", "US", 2_000.0, 5_300.0), ("DE", "SG", 8_500.0, 10_300.0)]
        {
            let km = least_distance_km(a, b).unwrap();
            assert!((least..most).contains(&km), "{a} {b}: {km}");
            assert_eq!(least_distance_km(b, a), Some(km));
        }
    }

    #[test]
    fn what_is_no_country_is_nowhere() {
        for (a, b) in [("private", "DE"), ("DE", ""), ("ZZ", "DE"), ("DE", "DE")] {
            assert_eq!(least_distance_km(a, b), None);
        }
    }
}
