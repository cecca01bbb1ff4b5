//! What is printed: a row per measurement, its goal and what stands beside it.

/// One line of the table.
#[derive(Debug)]
pub struct Row {
    pub what: String,
    pub measured: String,
    pub goal: String,
    /// Whether the goal is met; `None` for what only stands beside.
    pub met: Option<bool>,
}

impl Row {
    pub fn goal(what: &str, measured: String, goal: &str, met: bool) -> Self {
        Self {
            what: what.into(),
            measured,
            goal: goal.into(),
            met: Some(met),
        }
    }

    pub fn beside(what: &str, measured: String) -> Self {
        Self {
            what: format!("  beside: {what}"),
            measured,
            goal: String::new(),
            met: None,
        }
    }
}

pub fn print(rows: &[Row]) {
    let width = |f: fn(&Row) -> &str| rows.iter().map(|r| f(r).chars().count()).max().unwrap_or(0);
    let (what, measured, goal) = (
        width(|r| &r.what),
        width(|r| &r.measured),
        width(|r| &r.goal),
    );
    for row in rows {
        let met = match row.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "",
        };
        println!(
            "{:what$}  {:measured$}  {:goal$}  {met}",
            row.what, row.measured, row.goal
        );
    }
}

/// Nearest-rank percentile of unsorted values.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil().max(1.0) as usize;
    sorted.get(rank - 1).copied().unwrap_or(f64::NAN)
}
