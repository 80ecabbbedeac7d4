//! Covering is reflexive and transitive over whatever parses.

use keywright_core::Scope;

/// Holds it against any input.
pub fn hold(text: &str) {
    let scopes: Vec<Scope> = text.split(' ').take(3).filter_map(|text| text.parse().ok()).collect();
    for scope in &scopes {
        assert!(scope.covers(scope));
        assert_eq!(scope.as_str().parse::<Scope>().as_ref(), Ok(scope));
    }
    if let [a, b, c] = scopes.as_slice()
        && a.covers(b)
        && b.covers(c)
    {
        assert!(a.covers(c), "{a} {b} {c}");
    }
}
