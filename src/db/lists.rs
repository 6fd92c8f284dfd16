//! How a list is read: two statements of one text, the steps of a page and the number of rows, so that they cannot
//! disagree. The text is put together by the compiler; nothing of a request ever becomes a part of it.

/// Declares the functions that find the steps of a page and that count the rows of a list.
///
/// `from` is the statement from its `from` on; its first parameters are the account, the place after which rows are read
/// (moment and id) and the moment before which they end. Those of `with` follow, then limit and offset.
macro_rules! list_statements {
    (
        $(#[$doc:meta])*
        $list:ident, $count:ident($choice:ident: $type:ty)
        with [$($bound:expr),* $(,)?]
        select $steps:literal
        from $from:literal
        paged $paged:literal
    ) => {
        $(#[$doc])*
        pub async fn $list(
            conn: &mut sqlx::PgConnection,
            account: $crate::types::ids::AccountId,
            $choice: $type,
            span: &$crate::types::page::Span,
        ) -> sqlx::Result<Vec<$crate::types::page::Step>> {
            sqlx::query_as!(
                $crate::types::page::Step,
                "select " + $steps + " from " + $from + " " + $paged,
                account.0,
                span.after.at,
                span.after.id,
                span.until,
                $($bound,)*
                span.limit,
                span.offset
            )
            .fetch_all(conn)
            .await
        }

        /// Counts the same rows.
        pub async fn $count(
            conn: &mut sqlx::PgConnection,
            account: $crate::types::ids::AccountId,
            $choice: $type,
            span: &$crate::types::page::Span,
        ) -> sqlx::Result<i64> {
            sqlx::query_scalar!(
                "select count(*) as \"count!\" from " + $from,
                account.0,
                span.after.at,
                span.after.id,
                span.until,
                $($bound,)*
            )
            .fetch_one(conn)
            .await
        }
    };
}

pub(crate) use list_statements;
