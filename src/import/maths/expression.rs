//! The expressions of symbolic templates: the part of Python that they use.

/// A binary operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Floor,
    Modulo,
    Power,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A parsed expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    Integer(i64),
    Decimal(f64),
    Text(String),
    Bool(bool),
    Name(String),
    /// A list or a tuple.
    List(Vec<Expression>),
    Negative(Box<Expression>),
    Not(Box<Expression>),
    Binary(Operator, Box<Expression>, Box<Expression>),
    /// `a < b <= c`
    Compare(Box<Expression>, Vec<(Comparison, Expression)>),
    And(Vec<Expression>),
    Or(Vec<Expression>),
    /// Test, value if it holds, value if not.
    If(Box<[Expression; 3]>),
    Call(String, Vec<Expression>),
    Index(Box<Expression>, Box<Expression>),
}

/// How deep an expression may be nested.
const DEEPEST: usize = 64;
/// How many tokens an expression may have; chains of operators are as deep as they are long.
const LONGEST: usize = 1000;

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(String),
    Text(String),
    Word(String),
    Sign(&'static str),
}

const SIGNS: [&str; 22] = [
    "**", "//", "<=", ">=", "==", "!=", "+", "-", "*", "/", "%", "<", ">", "(", ")", "[", "]", ",", "≤", "≥", "×", "·",
];

impl Expression {
    /// # Errors
    /// What is not understood, and where.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        if tokens.len() > LONGEST {
            return Err(format!("{} signs and words: at most {LONGEST} are read", tokens.len()));
        }
        let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
        let parsed = parser.list_or_one()?;
        match parser.peek() {
            None => Ok(parsed),
            Some(token) => Err(format!("{token:?} where `{text}` should end")),
        }
    }

    /// Calls `see` with every name in it, functions too.
    pub(super) fn names(&self, see: &mut impl FnMut(&str)) {
        match self {
            Self::Integer(_) | Self::Decimal(_) | Self::Text(_) | Self::Bool(_) => {}
            Self::Name(name) => see(name),
            Self::List(all) | Self::And(all) | Self::Or(all) => all.iter().for_each(|e| e.names(see)),
            Self::Negative(e) | Self::Not(e) => e.names(see),
            Self::Binary(_, a, b) | Self::Index(a, b) => {
                a.names(see);
                b.names(see);
            }
            Self::Compare(first, rest) => {
                first.names(see);
                rest.iter().for_each(|(_, e)| e.names(see));
            }
            Self::If(three) => three.iter().for_each(|e| e.names(see)),
            Self::Call(name, arguments) => {
                see(name);
                arguments.iter().for_each(|e| e.names(see));
            }
        }
    }
}

/// The ASCII digit for a digit of Devanagari, which some templates count in; others as they are.
pub(super) fn ascii_digit(c: char) -> char {
    match c {
        '०'..='९' => char::from_digit(c as u32 - '०' as u32, 10).unwrap_or(c),
        other => other,
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let chars: Vec<char> = text.chars().map(ascii_digit).collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        let run = |from: usize, of: &dyn Fn(char) -> bool| from + chars[from..].iter().take_while(|c| of(**c)).count();
        let digit_follows = chars.get(at + 1).is_some_and(char::is_ascii_digit);
        if c == '#' {
            // a comment
            break;
        } else if c.is_whitespace() {
            at += 1;
        } else if c.is_ascii_digit() || (c == '.' && digit_follows) {
            let end = run(at, &|c| c.is_ascii_digit() || c == '.');
            found.push(Token::Number(chars[at..end].iter().collect()));
            at = end;
        } else if c == '"' || c == '\'' {
            let end = run(at + 1, &|d| d != c);
            if end == chars.len() {
                return Err(format!("a quotation mark in `{text}` is not closed"));
            }
            found.push(Token::Text(chars[at + 1..end].iter().collect()));
            at = end + 1;
        } else if c.is_alphabetic() || c == '_' {
            let end = run(at, &|c| c.is_alphanumeric() || c == '_');
            found.push(Token::Word(chars[at..end].iter().collect()));
            at = end;
        } else {
            let here: String = chars[at..chars.len().min(at + 2)].iter().collect();
            let sign = SIGNS.iter().find(|s| here.starts_with(**s));
            let sign = sign.ok_or_else(|| format!("`{c}` in `{text}`"))?;
            found.push(Token::Sign(sign));
            at += sign.chars().count();
        }
    }
    Ok(found)
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn takes(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(w)) if w == word);
        self.at += usize::from(found);
        found
    }

    fn must(&mut self, sign: &str) -> Result<(), String> {
        if self.takes(sign) { Ok(()) } else { Err(format!("`{sign}` expected, {} found", self.here())) }
    }

    fn here(&self) -> String {
        self.peek().map_or_else(|| "the end".to_owned(), |t| format!("{t:?}"))
    }

    /// An expression, or a tuple without brackets.
    fn list_or_one(&mut self) -> Result<Expression, String> {
        let first = self.whole()?;
        if !self.takes(",") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.peek().is_some() {
            all.push(self.whole()?);
            if !self.takes(",") {
                break;
            }
        }
        Ok(Expression::List(all))
    }

    fn whole(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("nested deeper than {DEEPEST}"));
        }
        let value = self.or()?;
        let parsed = if self.takes_word("if") {
            let test = self.or()?;
            if !self.takes_word("else") {
                return Err(format!("`else` expected, {} found", self.here()));
            }
            Expression::If(Box::new([test, value, self.whole()?]))
        } else {
            value
        };
        self.depth -= 1;
        Ok(parsed)
    }

    fn or(&mut self) -> Result<Expression, String> {
        let mut all = vec![self.and()?];
        while self.takes_word("or") {
            all.push(self.and()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::Or(all) })
    }

    fn and(&mut self) -> Result<Expression, String> {
        let mut all = vec![self.not()?];
        while self.takes_word("and") {
            all.push(self.not()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expression::And(all) })
    }

    fn not(&mut self) -> Result<Expression, String> {
        let mut negations = 0;
        while self.takes_word("not") {
            negations += 1;
        }
        if negations > DEEPEST {
            return Err(format!("nested deeper than {DEEPEST}"));
        }
        let mut parsed = self.comparison()?;
        for _ in 0..negations {
            parsed = Expression::Not(Box::new(parsed));
        }
        Ok(parsed)
    }

    fn comparison(&mut self) -> Result<Expression, String> {
        let first = self.sum()?;
        let mut rest = Vec::new();
        while let Some(Token::Sign(sign)) = self.peek() {
            let comparison = match *sign {
                "==" => Comparison::Equal,
                "!=" => Comparison::Unequal,
                "<" => Comparison::Less,
                "<=" | "≤" => Comparison::LessOrEqual,
                ">" => Comparison::Greater,
                ">=" | "≥" => Comparison::GreaterOrEqual,
                _ => break,
            };
            self.at += 1;
            rest.push((comparison, self.sum()?));
        }
        Ok(if rest.is_empty() { first } else { Expression::Compare(Box::new(first), rest) })
    }

    fn sum(&mut self) -> Result<Expression, String> {
        let mut left = self.product()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign("+")) => Operator::Add,
                Some(Token::Sign("-")) => Operator::Subtract,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expression::Binary(operator, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Result<Expression, String> {
        let mut left = self.signed()?;
        loop {
            let operator = match self.peek() {
                Some(Token::Sign("*" | "×" | "·")) => Operator::Multiply,
                Some(Token::Sign("/")) => Operator::Divide,
                Some(Token::Sign("//")) => Operator::Floor,
                Some(Token::Sign("%")) => Operator::Modulo,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expression::Binary(operator, Box::new(left), Box::new(self.signed()?));
        }
    }

    fn signed(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("nested deeper than {DEEPEST}"));
        }
        let parsed = if self.takes("-") {
            Expression::Negative(Box::new(self.signed()?))
        } else if self.takes("+") {
            self.signed()?
        } else {
            self.power()?
        };
        self.depth -= 1;
        Ok(parsed)
    }

    fn power(&mut self) -> Result<Expression, String> {
        let base = self.indexed()?;
        if self.takes("**") {
            return Ok(Expression::Binary(Operator::Power, Box::new(base), Box::new(self.signed()?)));
        }
        Ok(base)
    }

    fn indexed(&mut self) -> Result<Expression, String> {
        let mut value = self.atom()?;
        while self.takes("[") {
            let index = self.whole()?;
            self.must("]")?;
            value = Expression::Index(Box::new(value), Box::new(index));
        }
        Ok(value)
    }

    fn atom(&mut self) -> Result<Expression, String> {
        let token = self.peek().cloned().ok_or("an expression ends too early")?;
        self.at += 1;
        match token {
            Token::Number(text) => {
                let integer = text.parse().map(Expression::Integer).ok();
                integer.or_else(|| text.parse().map(Expression::Decimal).ok()).ok_or(format!("`{text}` is no number"))
            }
            Token::Text(text) => Ok(Expression::Text(text)),
            Token::Word(word) => match word.as_str() {
                "True" => Ok(Expression::Bool(true)),
                "False" => Ok(Expression::Bool(false)),
                _ if self.takes("(") => Ok(Expression::Call(word, self.until(")")?.0)),
                _ => Ok(Expression::Name(word)),
            },
            Token::Sign("[") => Ok(Expression::List(self.until("]")?.0)),
            Token::Sign("(") => {
                let (mut all, tuple) = self.until(")")?;
                match (all.len(), tuple) {
                    (1, false) => Ok(all.remove(0)),
                    _ => Ok(Expression::List(all)),
                }
            }
            Token::Sign(sign) => Err(format!("`{sign}` where a value should stand")),
        }
    }

    /// Expressions with commas between them up to the closing sign, and whether a comma was there.
    fn until(&mut self, closing: &str) -> Result<(Vec<Expression>, bool), String> {
        let (mut all, mut comma) = (Vec::new(), false);
        while !self.takes(closing) {
            all.push(self.whole()?);
            if self.takes(",") {
                comma = true;
            } else {
                self.must(closing)?;
                break;
            }
        }
        Ok((all, comma))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nesting_and_nonsense_are_refused() {
        for text in ["", "1 +", "(1", "[1, 2", "a b", "1 ? 2", "'open", "x if y", "1..2"] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
        for sign in ["(", "-", "[", "not ", "1 if 1 else ", "2 ** "] {
            let deep = sign.repeat(100_000);
            assert!(Expression::parse(&format!("{deep}1")).is_err(), "{sign}");
        }
    }

    #[test]
    fn names_are_found_in_every_place() {
        let parsed = Expression::parse("f(a, [b, -c]) + (d if e < g <= h and not i or j else k)[l]").expect("legal");
        let mut names = Vec::new();
        parsed.names(&mut |n| names.push(n.to_owned()));
        names.sort();
        assert_eq!(names.concat(), "abcdefghijkl");
    }
}
