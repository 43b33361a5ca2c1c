//! The conformance suite of the ports, on both databases.

use tollgate_persistence::testing::TestDb;

mod sqlite {
    use super::TestDb;

    macro_rules! case {
        ($noun:ident, $name:ident) => {
            #[test]
            fn $name() {
                tollgate_store::suite::$noun::$name(&TestDb::sqlite().stores());
            }
        };
    }
    tollgate_store::suite!(case);
}

mod postgres {
    use super::TestDb;

    macro_rules! case {
        ($noun:ident, $name:ident) => {
            #[test]
            fn $name() {
                if let Some(database) = TestDb::postgres() {
                    tollgate_store::suite::$noun::$name(&database.stores());
                }
            }
        };
    }
    tollgate_store::suite!(case);
}
