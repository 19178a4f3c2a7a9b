"""The peer of a REST call: FastAPI and uvicorn, pydantic in and out, and nothing done in between."""

from fastapi import FastAPI
from pydantic import BaseModel


class Order(BaseModel):
    id: int
    customer: str


class Call(BaseModel):
    arguments: Order


class Answer(BaseModel):
    result: Order


app = FastAPI()


@app.post("/call")
async def call(said: Call) -> Answer:
    return Answer(result=said.arguments)
