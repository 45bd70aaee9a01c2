from rtcore import App, Message, Rejected, Session

app = App()
best = {"amount": 0, "by": "nobody"}


@app.handler("bid")
def bid(session: Session, amount: int) -> None:
    if amount <= best["amount"]:
        raise Rejected("app:too_low", f"the best bid is {best['amount']}")
    best.update(amount=amount, by=session.sender)
    app.manager.broadcast(Message("best", dict(best)))


app.run()
