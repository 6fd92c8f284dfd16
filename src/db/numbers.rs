//! Numbers for rows, drawn from their sequences ahead of need. Who knows what rows will be called can store them, and what is tied to
//! them, without being told by the server. Knows nothing of the rows.

use std::collections::VecDeque;

use sqlx::PgConnection;

/// Most numbers of a sequence that are drawn ahead of need. When the connection ends, those that are left name nothing.
const AHEAD_MAX: usize = 1024;

/// A sequence by its name, and how many of its numbers are wanted.
pub type Wanted = (&'static str, usize);

/// Draws numbers, those of each sequence in their order.
async fn draw<const N: usize>(conn: &mut PgConnection, wanted: [Wanted; N]) -> sqlx::Result<[Vec<i64>; N]> {
    let (names, counts): (Vec<&str>, Vec<i64>) =
        wanted.iter().map(|(name, count)| (*name, i64::try_from(*count).unwrap_or(i64::MAX))).unzip();
    let rows = sqlx::query!(
        r#"select place as "place!", nextval(sequence) as "number!"
        from (select place, name::regclass as sequence, count
            from unnest($1::text[], $2::bigint[]) with ordinality as wanted (name, count, place) offset 0) as wanted,
            generate_series(1, count)"#,
        &names as &[&str],
        &counts
    )
    .fetch_all(conn)
    .await?;
    let mut drawn = [const { Vec::new() }; N];
    for row in rows {
        if let Some(numbers) = usize::try_from(row.place - 1).ok().and_then(|place| drawn.get_mut(place)) {
            numbers.push(row.number);
        }
    }
    Ok(drawn)
}

/// What a connection drew and did not use yet. It ends with the connection: a server that another one took the place of, or a
/// copy of the database that was put in its place, may draw the same numbers again.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    sequences: Vec<(&'static str, VecDeque<i64>)>,
    /// How many of each sequence were drawn last.
    last: usize,
}

/// How many numbers to draw, after so many were drawn last and while so many are wanted: twice that, so whoever needs many soon draws
/// seldom, and whoever needs few leaves few behind.
fn next_draw(last: usize, wanted: usize) -> usize {
    (last.max(wanted) * 2).clamp(1, AHEAD_MAX)
}

impl Ahead {
    /// Takes numbers, and draws more of them first where too few are left.
    pub(super) async fn take<const N: usize>(
        &mut self,
        conn: &mut PgConnection,
        wanted: [Wanted; N],
    ) -> sqlx::Result<[Vec<i64>; N]> {
        if wanted.iter().any(|(name, count)| self.of(name).len() < *count) {
            let most = wanted.iter().map(|(_, count)| *count).max().unwrap_or_default();
            let ahead = next_draw(self.last, most);
            let lacking = wanted.map(|(name, count)| (name, count.max(ahead).saturating_sub(self.of(name).len())));
            for ((name, _), numbers) in lacking.iter().zip(draw(conn, lacking).await?) {
                self.of(name).extend(numbers);
            }
            self.last = ahead;
        }
        Ok(wanted.map(|(name, count)| {
            let numbers = self.of(name);
            numbers.drain(..count.min(numbers.len())).collect()
        }))
    }

    fn of(&mut self, name: &'static str) -> &mut VecDeque<i64> {
        let place = self.sequences.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.sequences.push((name, VecDeque::new()));
            self.sequences.len() - 1
        });
        &mut self.sequences[place].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_needs_many_numbers_draws_seldom() {
        let mut draws = vec![0];
        while draws.len() < 13 {
            draws.push(next_draw(draws[draws.len() - 1], 1));
        }
        assert_eq!(draws, [0, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
        assert_eq!((next_draw(0, 256), next_draw(512, 256), next_draw(0, 0)), (512, 1024, 1));
    }
}
