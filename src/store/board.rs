//! The board on which rollouts that are under way at the same time tell one another how they stand: one object, changed by condition. Decides nothing.

use super::damage::too_new;
use super::{Condition, Put, Store, StoreError};
use crate::rollout::Board;

const BOARD: &str = "board.json";

/// How often a change is tried when others are quicker: each time one of them has got on.
const TRIES: u32 = 100;

/// What is waited between two tries, at first: it grows to ten times that.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);

impl Store {
    /// What stands on the board.
    ///
    /// # Errors
    /// When it cannot be read: others may be under way then.
    pub fn board(&self) -> Result<Board, StoreError> {
        self.found_board().map(|(board, _)| board)
    }

    /// Changes the board, whatever others do to it meanwhile; what stands there then, and what the change answered. `change` may be asked more
    /// than once, each time about what stands there now.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn change_board<T>(
        &self,
        mut change: impl FnMut(&mut Board) -> T,
    ) -> Result<(Board, T), StoreError> {
        self.ensure()?;
        for attempt in 1..=TRIES {
            let (before, condition) = self.found_board()?;
            let mut board = before.clone();
            let answer = change(&mut board);
            if board == before {
                return Ok((board, answer));
            }
            let text = self.text(&board, BOARD)?;
            match self.objects.put(BOARD, text.as_bytes(), &condition) {
                Ok(Put::Written(_)) => return Ok((board, answer)),
                // The answer of an earlier put of ours may have been lost: what was to stand there does.
                Ok(Put::Refused) if self.found_board()?.0 == board => return Ok((board, answer)),
                Ok(Put::Refused) | Err(super::ObjectError::NoAnswer { .. }) => {
                    std::thread::sleep(PAUSE * attempt.min(10));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::LockLost {
            what: self.place(BOARD),
            why: "it changes all the time".into(),
        })
    }

    fn found_board(&self) -> Result<(Board, Condition), StoreError> {
        let Some(found) = self.objects.get(BOARD)? else {
            return Ok((Board::default(), Condition::Absent));
        };
        let damaged = |why: String| StoreError::Damaged {
            place: self.place(BOARD),
            why,
        };
        let board: Board =
            serde_json::from_slice(&found.bytes).map_err(|e| damaged(e.to_string()))?;
        if board.version != 1 {
            return Err(damaged(too_new(u64::from(board.version))));
        }
        Ok((board, Condition::Is(found.etag)))
    }
}
